"""The repository holds nothing that belongs to one machine or says where packages come from."""

import re
import subprocess

from plugin_checks.documents import ROOT

ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+\.[a-z]{2,})\b")
# Documentation, specifications, and the domains that are reserved for examples or stand for one in tests.
# Groups of users are named by addresses of Globus.
KNOWN = {
    "auth.globus.org",
    "code.claude.com",
    "elsewhere.org",
    "example.org",
    "git-scm.com",
    "github.com",
    "mit-ll-responsible-ai.github.io",
    "no.invalid",
    "prometheus.io",
    "h.org",
    "swhid.org",
}


def tracked() -> list[str]:
    """Names of the files that belong to the repository; without git, nothing can be said about them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and name != "LICENSE"]


def test_every_address_is_one_that_readers_may_visit():
    found = {
        (name, host)
        for name in tracked()
        for host in ADDRESS.findall((ROOT / name).read_text(encoding="utf-8", errors="ignore"))
    }

    assert {place for place in found if re.sub(r"^(data|evil|hooks)\.", "", place[1]) not in KNOWN} == set()


def test_lock_files_are_ignored_since_they_name_registries():
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {"uv.lock", "package-lock.json"} <= set(ignored)
