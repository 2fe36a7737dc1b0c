import json
import os
import stat
import sys
from pathlib import Path

import pytest

from deriva_ml_kit import local
from deriva_ml_kit.errors import KitError, UsageError


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A `deriva-local` on the PATH that answers as told and notes how it was called."""

    def install(status: dict[str, object], login_exit: int = 0) -> Path:
        calls = tmp_path / "calls"
        script = tmp_path / "deriva-local"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nopen({str(calls)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
            f"if sys.argv[1] == 'status': print({json.dumps(status)!r})\n"
            f"else: sys.stderr.write('no user'); sys.exit({login_exit})\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        return calls

    for name in local.BUNDLE_VARIABLES:
        monkeypatch.setenv(name, "/somewhere/else.pem")
    monkeypatch.setenv("HOME", str(tmp_path))
    return install


RUNNING = {"running": True, "hostname": "localhost:8443", "port": 8443, "ca_bundle": "/local/bundle.pem"}


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("data.example.org", ("data.example.org", 443)),
        ("localhost:8443", ("localhost", 8443)),
        ("[::1]:8443", ("::1", 8443)),
        ("::1", ("::1", 443)),
    ],
)
def test_a_host_name_is_split_into_host_and_port(hostname: str, expected: tuple[str, int]) -> None:
    assert local.split(hostname) == expected


def test_only_loopback_names_mean_this_machine() -> None:
    assert [local.is_local(name) for name in ("localhost", "LOCALHOST:1", "127.0.0.1:8443", "[::1]:1")] == [True] * 4
    assert not local.is_local("localhost.example.org:8443")


def test_another_host_is_left_to_the_environment_and_nothing_is_called(program) -> None:
    calls = program(RUNNING)

    local.prepare("data.example.org")

    assert os.environ["REQUESTS_CA_BUNDLE"] == "/somewhere/else.pem"
    assert not calls.exists()


def test_the_running_catalog_is_trusted_and_logged_into(program) -> None:
    calls = program(RUNNING)

    local.prepare("localhost:8443")

    assert {os.environ[name] for name in local.BUNDLE_VARIABLES} == {"/local/bundle.pem"}
    assert calls.read_text().splitlines() == ["status --json", "login"]


def test_certificates_that_were_trusted_before_stay_trusted(program, tmp_path: Path, monkeypatch) -> None:
    ours, corporate = tmp_path / "ours.pem", tmp_path / "corporate.pem"
    ours.write_text("OUR CA\n")
    corporate.write_text("CORPORATE CA\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(corporate))
    monkeypatch.delenv("SSL_CERT_FILE")
    program({**RUNNING, "ca_bundle": str(ours)})

    local.prepare("localhost:8443")
    joined = Path(os.environ["REQUESTS_CA_BUNDLE"])
    local.prepare("localhost:8443")

    assert joined.read_text().split("\n") == ["CORPORATE CA", "", "OUR CA", ""]
    assert os.environ["REQUESTS_CA_BUNDLE"] == str(joined)
    assert os.environ["SSL_CERT_FILE"] == str(ours)


def test_an_existing_login_for_exactly_this_port_is_kept(program, tmp_path: Path) -> None:
    calls = program(RUNNING)
    (tmp_path / ".deriva").mkdir()
    (tmp_path / ".deriva" / "credential.json").write_text('{"localhost:8443": {"bearer-token": "x"}}')

    local.prepare("localhost:8443")

    assert calls.read_text().splitlines() == ["status --json"]


@pytest.mark.parametrize("status", [{"running": False}, {**RUNNING, "port": 9000, "hostname": "localhost:9000"}])
def test_a_host_that_the_local_catalog_does_not_serve_is_left_alone(program, status: dict[str, object]) -> None:
    calls = program(status)

    local.prepare("localhost:8443")

    assert os.environ["SSL_CERT_FILE"] == "/somewhere/else.pem"
    assert calls.read_text().splitlines() == ["status --json"]


def test_another_name_of_this_machine_is_corrected_since_logins_go_by_name(program) -> None:
    program(RUNNING)

    with pytest.raises(UsageError, match=r"is called localhost:8443, not 127\.0\.0\.1:8443"):
        local.prepare("127.0.0.1:8443")


def test_a_login_that_fails_says_why(program) -> None:
    program(RUNNING, login_exit=1)

    with pytest.raises(KitError, match="login failed: no user"):
        local.prepare("localhost:8443")


def test_without_the_program_nothing_is_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert local.status() is None
