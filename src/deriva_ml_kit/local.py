"""A DERIVA catalog on this machine: is it running, is it trusted, are we logged in?

The only link between the kit and `deriva_local`, and it is a program: `deriva-local status --json`, `start` and
`login`, found beside the running Python or on the PATH. Nothing of it is called for other hosts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import getproxies, proxy_bypass

import platformdirs

from deriva_ml_kit.errors import KitError, UsageError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What requests, curl and Python's ssl read; set together, since libraries differ in which they prefer.
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
STATUS_SECONDS = 30
HTTPS_PORT = 443

# Hosts for which `prepare` has done its work: their certificates, and what it left behind.
_prepared: dict[str, tuple[Path, tuple[object, ...]]] = {}


@dataclass(frozen=True)
class Running:
    """A running local catalog.

    Attributes:
        hostname: `localhost:PORT`, as clients name it.
        port: Its port.
        ca_bundle: File of trusted certificates, its own among them.
    """

    hostname: str
    port: int
    ca_bundle: Path


def split(hostname: str) -> tuple[str, int]:
    """Host and port of `host`, `host:port` or `[v6]:port`; the port of HTTPS where none is named."""
    host, _, port = hostname.rpartition(":")
    if host and port.isdigit() and (host.endswith("]") or ":" not in host):
        return host.strip("[]"), int(port)
    return hostname.strip("[]"), HTTPS_PORT


def is_local(hostname: str) -> bool:
    """Whether a host name means this machine."""
    return split(hostname)[0].lower() in LOOPBACK


def prepare(hostname: str) -> None:
    """Make this process trust the local catalog at a host name, and log in if nobody is.

    Changes REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE and, if a proxy is set, NO_PROXY of this process. Does
    nothing if the host is not this machine, or what runs there was not started by `deriva-local`.

    Raises:
        UsageError: The catalog is there under another name, which is the one that its addresses and logins hold.
        KitError: The login failed.
    """
    if not is_local(hostname) or _still_prepared(hostname):
        return
    running = status()
    if running is None or running.port != split(hostname)[1]:
        return
    if hostname != running.hostname:
        raise UsageError(
            f"The catalog on this machine is called {running.hostname}, not {hostname}.",
            remedy=f"Write --hostname {running.hostname}",
        )
    trust(running.ca_bundle)
    reach_directly(split(hostname)[0])
    if not has_login(hostname):
        _call("login")
    _prepared[hostname] = (running.ca_bundle, _trusted(running.ca_bundle))


def _still_prepared(hostname: str) -> bool:
    """Whether this was done before and nothing has changed since: to ask the program takes a third of a second."""
    ca_bundle, trusted = _prepared.get(hostname, (None, None))
    return ca_bundle is not None and trusted == _trusted(ca_bundle) and has_login(hostname)


def _trusted(ca_bundle: Path) -> tuple[object, ...]:
    """What decides whom this process trusts and how it reaches them."""
    changed = ca_bundle.stat().st_mtime_ns if ca_bundle.exists() else None
    return (changed, *(os.environ.get(name) for name in (*BUNDLE_VARIABLES, "NO_PROXY")), tuple(getproxies().items()))


def status() -> Running | None:
    """The local catalog of this user, if one is running."""
    try:
        found = told()
    except (FileNotFoundError, ValueError):
        return None
    if not found.get("running"):
        return None
    port = int(found["port"])
    return Running(found.get("hostname") or f"localhost:{port}", port, Path(found["ca_bundle"]))


def told() -> dict[str, Any]:
    """All that `deriva-local status` tells, whether one is running or not.

    Raises:
        FileNotFoundError: The program is not installed.
        ValueError: It tells nothing.
    """
    return dict(json.loads(_call("status", "--json", check=False)))


def starting(port: int | None = None) -> subprocess.Popen[str]:
    """`deriva-local start`, begun: it prints what `status` tells, or an error, once the catalog answers.

    Args:
        port: The port that it shall have; that of last time where not given.

    Raises:
        FileNotFoundError: The program is not installed.
    """
    command = [program(), "start", "--json", *(["--port", str(port)] if port else [])]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def trust(ca_bundle: Path) -> None:
    """Let this process and its children trust the certificates in a file, besides those they trusted so far."""
    for variable in BUNDLE_VARIABLES:
        os.environ[variable] = str(_joined(ca_bundle, os.environ.get(variable)))


def reach_directly(host: str) -> None:
    """Keep requests to a host of this machine from going through a proxy that the environment names."""
    if not getproxies() or proxy_bypass(host):
        return
    for variable in ("NO_PROXY", "no_proxy"):
        os.environ[variable] = ",".join(filter(None, [os.environ.get(variable), host]))


def _joined(ca_bundle: Path, before: str | None) -> Path:
    """A file with the certificates of both: an organisation's own authority must not be forgotten."""
    try:
        ours, theirs = ca_bundle.read_bytes(), Path(before or ca_bundle).read_bytes()
    except OSError:
        return ca_bundle
    if theirs == ours:
        return ca_bundle
    content = theirs if ours in theirs else theirs + b"\n" + ours
    cache = Path(platformdirs.user_cache_dir("deriva-ml-kit", appauthor=False))
    joined = cache / f"trusted-{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not joined.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = joined.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.rename(joined)
    return joined


def has_login(hostname: str) -> bool:
    """Whether `~/.deriva/credential.json` has an entry for exactly this host and port."""
    file = Path.home() / ".deriva" / "credential.json"
    try:
        return bool(json.loads(file.read_text(encoding="utf-8")).get(hostname))
    except (OSError, ValueError, AttributeError):
        return False


def program() -> str:
    """Path of the `deriva-local` program.

    Raises:
        FileNotFoundError: It is not installed.
    """
    beside = Path(sys.executable).parent / "deriva-local"
    found = str(beside) if beside.exists() else shutil.which("deriva-local")
    if found is None:
        raise FileNotFoundError("deriva-local")
    return found


def _call(*arguments: str, check: bool = True) -> str:
    """Standard output of a `deriva-local` command."""
    done = subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=STATUS_SECONDS, check=False)
    if check and done.returncode:
        raise KitError(
            f"deriva-local {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}",
            remedy=f"Try it by hand: uv run deriva-local {' '.join(arguments)}",
        )
    return done.stdout
