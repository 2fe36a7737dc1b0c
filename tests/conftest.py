"""Shared by all tests: a HOME of its own for the whole run, and one DERIVA host, started when the first test asks.

`deriva` and `bdbag` work out their folders from HOME when they are imported, so HOME is set before that: here, not in a
fixture.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent / "support"))

TRUST_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

# The environment of whoever runs the tests. Workers get it from the process that started them, which is isolated.
PERSON = "DERIVA_TESTS_PERSON"
os.environ.setdefault(PERSON, json.dumps({name: os.environ.get(name) for name in ("HOME", *TRUST_VARIABLES)}))
REAL_TRUST = {name: value for name, value in json.loads(os.environ[PERSON]).items() if value is not None}
REAL_HOME = Path(REAL_TRUST.pop("HOME", Path.home()))
COUNTED: Counter[str] = Counter()
SCRATCH = Path(tempfile.mkdtemp(prefix="deriva-ml-kit-tests-"))


def _isolate() -> None:
    home = SCRATCH / "home"
    home.mkdir()
    os.environ["HOME"] = str(home)
    os.environ["DERIVA_LOCAL_DATA_DIR"] = str(SCRATCH / "local")
    # Clients run helper programs by name (deriva-acl-config); the environment need not be activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # Projects that tests make get their packages from where `uv run pytest` has put them, not from the network.
    os.environ.setdefault("UV_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME", REAL_HOME / ".cache")) / "uv"))
    # Dozens of programs are started, and would otherwise compile the libraries each for itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in [name for name in os.environ if name.startswith("XDG_")] + list(TRUST_VARIABLES):
        os.environ.pop(name, None)
    # A shell starts what it runs in the background with interrupts ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)


_isolate()


# What takes longest begins first, so that no worker is left alone with it at the end.
LONG = ("e2e", "scripts", "templates", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; their own order stays."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not set(item.path.relative_to(here).parts).intersection(LONG))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing of a run stays behind; what a worker has counted goes to the process that started it."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counted"] = dict(COUNTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker has counted."""
    COUNTED.update(getattr(node, "workeroutput", {}).get("counted", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how much of the documents and of main line's contract was checked."""
    if COUNTED:
        terminalreporter.write_line("checked: " + ", ".join(f"{n} {kind}" for kind, n in sorted(COUNTED.items())))


@pytest.fixture(autouse=True)
def _interruptible() -> None:
    """Interrupts arrive: deriva's uploader takes them for itself and never gives them back."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def counted() -> Counter[str]:
    """What the tests have looked at so far, by kind."""
    return COUNTED


def deriva_local(*arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would."""
    command = [sys.executable, "-m", "deriva_local.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0 or not check, done.stderr
    return done


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class LocalHost:
    """A running DERIVA host, into which the tests' HOME is logged in."""

    hostname: str
    url: str
    ca: Path
    ca_bundle: Path
    data_dir: Path
    pid: int

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that is to trust the host and to be logged in."""
        return os.environ | dict.fromkeys(TRUST_VARIABLES, str(self.ca_bundle))

    @property
    def person_env(self) -> dict[str, str]:
        """The environment of a person who is logged in, and whose trust is what it was before the tests."""
        return {name: value for name, value in os.environ.items() if name not in TRUST_VARIABLES} | REAL_TRUST


@pytest.fixture(scope="session")
def new_port() -> Callable[[], int]:
    """A function that gives a port that nothing listens on."""
    return free_port


@pytest.fixture(scope="session")
def real_home() -> Path:
    """The HOME of whoever runs the tests: to show that it is left alone."""
    return REAL_HOME


@pytest.fixture(scope="session")
def local_host() -> Iterator[LocalHost]:
    """`deriva-local` as a user starts it, on a port of its own; this process trusts it from then on."""
    done = deriva_local("start", "--port", str(free_port()), "--json")
    found = json.loads(done.stdout)
    paths = {name: Path(found[name]) for name in ("ca", "ca_bundle", "data_dir")}
    host = LocalHost(hostname=found["hostname"], url=found["url"], pid=found["pid"], **paths)
    os.environ.update(host.env)
    yield host
    for name in TRUST_VARIABLES:
        os.environ.pop(name)
    deriva_local("reset", "--yes")


@pytest.fixture(scope="session")
def _faulty_proxy(local_host: LocalHost) -> Iterator[Any]:
    from faulty_proxy import in_front_of  # noqa: PLC0415  (few tests need it)

    with in_front_of(local_host.hostname, local_host.data_dir / "tls") as proxy:
        deriva, bdbag = Path.home() / ".deriva" / "credential.json", Path.home() / ".bdbag" / "keychain.json"
        logins = json.loads(deriva.read_text())
        deriva.write_text(json.dumps(logins | {proxy.hostname: logins[local_host.hostname]}))
        here = f"https://{local_host.hostname}/"
        entries = json.loads(bdbag.read_text())
        again = [entry | {"uri": f"https://{proxy.hostname}/"} for entry in entries if entry["uri"] == here]
        bdbag.write_text(json.dumps(entries + again))
        yield proxy


@pytest.fixture
def faulty_host(_faulty_proxy: Any) -> Iterator[Any]:
    """The running host behind a proxy that fails when a test tells it to (`tests/support/faulty_proxy.py`).

    Connect to `faulty_host.hostname`, then `faulty_host.fail("lose", "POST", "/entity/")`.
    """
    _faulty_proxy.work()
    _faulty_proxy.forget()
    yield _faulty_proxy
    _faulty_proxy.work()


@pytest.fixture(scope="session")
def deriva_server(local_host: LocalHost) -> Any:
    """The host as deriva's own client sees it."""
    from deriva.core import DerivaServer, get_credential  # noqa: PLC0415  (reads HOME)

    return DerivaServer("https", local_host.hostname, credentials=get_credential(local_host.hostname))


@pytest.fixture
def catalog(deriva_server: Any) -> Iterator[Any]:
    """An empty catalog of this test's own, as deriva's client."""
    catalog = deriva_server.create_ermrest_catalog()
    yield catalog
    catalog.delete_ermrest_catalog(really=True)


@pytest.fixture(scope="session")
def ml_catalog_id(local_host: LocalHost) -> str:
    """A catalog with the schema of DerivaML, shared by all tests: leave what you find."""
    from deriva_ml.schema import create_ml_catalog  # noqa: PLC0415  (reads HOME)

    return str(create_ml_catalog(local_host.hostname, project_name="shared").catalog_id)
