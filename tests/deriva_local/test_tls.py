"""Certificates: accepted by the strictest client, made once, renewed in time, keys kept closed."""

from __future__ import annotations

import datetime
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from deriva_local import tls


@contextmanager
def serving(trust: tls.Trust) -> Iterator[int]:
    """A TLS server that takes one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trust.certificate, trust.key)

    def answer() -> None:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def connect(port: int, name: str, bundle: Path) -> None:
    context = ssl.create_default_context(cafile=str(bundle))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname=name):
        pass


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_strict_verification_accepts_every_name_of_this_machine(tmp_path: Path, name: str) -> None:
    trust = tls.ensure(tmp_path, {})
    with serving(trust) as port:
        connect(port, name, trust.bundle)


def test_another_host_name_is_refused(tmp_path: Path) -> None:
    trust = tls.ensure(tmp_path, {})
    with serving(trust) as port, pytest.raises(ssl.SSLCertVerificationError):
        connect(port, "example.org", trust.bundle)


def test_without_our_authority_the_certificate_is_refused(tmp_path: Path) -> None:
    trust = tls.ensure(tmp_path, {})
    with serving(trust) as port, pytest.raises(ssl.SSLCertVerificationError):
        connect(port, "localhost", Path(certifi.where()))


def test_keys_are_closed_to_other_users(tmp_path: Path) -> None:
    trust = tls.ensure(tmp_path / "tls", {})
    assert stat.S_IMODE(trust.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(trust.authority_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(trust.directory.stat().st_mode) == 0o700


def test_everything_is_made_once(tmp_path: Path) -> None:
    trust = tls.ensure(tmp_path, {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tls.ensure(tmp_path, {})
    assert {path.name: path.read_bytes() for path in trust.directory.iterdir()} == before


def test_a_certificate_near_its_end_is_renewed_under_the_same_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as past:
        long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=tls.SERVER_DAYS - 10)
        past.setattr(tls, "_now", lambda: long_ago)
        trust = tls.ensure(tmp_path, {})
    authority, old = trust.authority.read_bytes(), trust.certificate.read_bytes()
    tls.ensure(tmp_path, {})
    assert trust.authority.read_bytes() == authority
    assert trust.certificate.read_bytes() != old
    with serving(trust) as port:
        connect(port, "localhost", trust.bundle)


def test_a_lost_authority_key_gives_a_new_authority_and_certificate(tmp_path: Path) -> None:
    trust = tls.ensure(tmp_path, {})
    trust.authority_key.unlink()
    tls.ensure(tmp_path, {})
    with serving(trust) as port:
        connect(port, "localhost", trust.bundle)


def test_the_authority_may_sign_for_this_machine_only(tmp_path: Path) -> None:
    authority = x509.load_pem_x509_certificate(tls.ensure(tmp_path, {}).authority.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = constraints.value.permitted_subtrees
    assert permitted is not None
    assert [str(name.value) for name in permitted] == ["localhost", "127.0.0.1/32", "::1/128"]


def test_authorities_that_the_environment_names_stay_trusted(tmp_path: Path) -> None:
    company = tls.ensure(tmp_path / "company", {}).authority
    own = tls.ensure(tmp_path / "own", {"SSL_CERT_FILE": str(company), "CURL_CA_BUNDLE": "/no/such/file"})
    assert company.read_text() in own.bundle.read_text()
    # The next call comes from a shell that has evaluated `deriva-local env`.
    tls.ensure(own.directory, {"REQUESTS_CA_BUNDLE": str(own.bundle)})
    assert company.read_text() in own.bundle.read_text()
    assert own.authority.read_text() in own.bundle.read_text()
    assert Path(certifi.where()).read_text().count("BEGIN CERT") + 2 == own.bundle.read_text().count("BEGIN CERT")
