"""The certificate of `localhost` and the authority that signs it, both made here, and what clients need to trust them.

In: a folder of the data directory. Out: paths of the authority's certificate, of the server's certificate and key, and
of a bundle for clients: certifi's authorities, those that the caller's environment names, and ours.

The certificates satisfy RFC 5280 as strictly as Python 3.13 asks (VERIFY_X509_STRICT). Name constraints tie the
authority to this machine: even a stolen key cannot vouch for any other host.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deriva_local.files import locked, write_atomically

# The variables by which requests, curl and OpenSSL are told which authorities to trust.
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
ADDRESSES = ("127.0.0.1", "::1")
AUTHORITY_DAYS = 3650
SERVER_DAYS = 397  # the longest that browsers accept
RENEW_BEFORE_DAYS = 30
PUBLIC = 0o644
ONE_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Trust:
    """Files of one data directory. The keys are readable by their owner alone."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate: what a client that brings its own bundle adds to it."""
        return self.directory / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """What renews the server's certificate."""
        return self.directory / "ca.key"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.directory / "localhost.pem"

    @property
    def key(self) -> Path:
        """The server's key."""
        return self.directory / "localhost.key"

    @property
    def bundle(self) -> Path:
        """Everything that a client should trust, in one file."""
        return self.directory / "bundle.pem"


def ensure(directory: Path, environment: Mapping[str, str] = os.environ) -> Trust:
    """Make what is missing or about to expire; leave the rest as it is."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    trust = Trust(directory)
    with locked(directory / "lock"):
        if not (trust.authority.exists() and trust.authority_key.exists()):
            _make_authority(trust)
        if not _is_usable(trust):
            _make_certificate(trust)
        _write_bundle(trust, environment)
    return trust


def _make_authority(trust: Trust) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "deriva-local authority of this data directory")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    networks = [x509.IPAddress(ipaddress.ip_network(address)) for address in ADDRESSES]
    certificate = (
        _builder(name, name, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.NameConstraints([x509.DNSName("localhost"), *networks], None), critical=True)
        .sign(key, hashes.SHA256())
    )
    for stale in (trust.certificate, trust.key):
        stale.unlink(missing_ok=True)
    write_atomically(trust.authority_key, _pem(key))
    write_atomically(trust.authority, _pem(certificate), PUBLIC)


def _make_certificate(trust: Trust) -> None:
    authority_key = _load_key(trust.authority_key)
    authority = _load_certificate(trust.authority)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES)]
    certificate = (
        _builder(name, authority.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    write_atomically(trust.key, _pem(key))
    write_atomically(trust.certificate, _pem(certificate), PUBLIC)


def _is_usable(trust: Trust) -> bool:
    if not (trust.certificate.exists() and trust.key.exists()):
        return False
    remaining = _load_certificate(trust.certificate).not_valid_after_utc - _now()
    return remaining > datetime.timedelta(days=RENEW_BEFORE_DAYS)


def _write_bundle(trust: Trust, environment: Mapping[str, str]) -> None:
    """The caller's own bundles stay trusted: programs that are pointed at ours must still reach the world as before.

    A shell that has evaluated `deriva-local env` names our bundle; then the certificates found there are kept.
    """
    import certifi  # noqa: PLC0415  (its file is looked up on import)

    named = dict.fromkeys(Path(environment[name]) for name in BUNDLE_VARIABLES if environment.get(name))
    sources = [Path(certifi.where()), *(path for path in named if path.is_file()), trust.authority]
    certificates: dict[str, None] = {}
    for source in sources:
        text = source.read_text(encoding="utf-8", errors="replace")
        certificates.update(dict.fromkeys(found.strip() + "\n" for found in ONE_CERTIFICATE.findall(text)))
    content = "".join(certificates)
    if not trust.bundle.exists() or trust.bundle.read_text(encoding="utf-8") != content:
        write_atomically(trust.bundle, content, PUBLIC)


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    start = _now() - datetime.timedelta(days=1)  # a clock that is corrected backwards does no harm
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _pem(what: Key | x509.Certificate) -> str:
    pem = serialization.Encoding.PEM
    if isinstance(what, x509.Certificate):
        return what.public_bytes(pem).decode()
    return what.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _load_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _load_key(path: Path) -> Key:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Key)
    return key
