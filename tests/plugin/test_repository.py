"""The repository holds nothing that belongs to one machine or names where packages come from."""

import pytest
from plugin_checks.documents import ROOT

FOLDERS = (".ci", ".claude-plugin", "docs", "references", "scripts", "skills", "src", "tests")
HOSTS = ("pypi." + "org", "files.pythonhosted." + "org", "registry.npmjs." + "org")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_names_a_registry(folder: str):
    texts = {
        path: path.read_text(encoding="utf-8", errors="ignore")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert [path for path, text in texts.items() if any(host in text for host in HOSTS)] == []


def test_lock_files_are_ignored_since_they_name_registries():
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {"uv.lock", "package-lock.json"} <= set(ignored)
