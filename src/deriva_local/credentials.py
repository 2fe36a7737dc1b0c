"""What the clients of `deriva` and `bdbag` read of a login: one entry in each of their files, and no other touched.

`~/.deriva/credential.json` maps a host, port included, to its token. `~/.bdbag/keychain.json` lists URL prefixes; bdbag
needs an entry to fetch the assets of a bag.
"""

from __future__ import annotations

import getpass
import json
import pwd
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from deriva_local.auth import Accounts, Client
from deriva_local.errors import Conflict
from deriva_local.files import locked, write_atomically

Content = TypeVar("Content", dict[str, Any], list[Any])
BEARER = "bearer-token"


def credential_file() -> Path:
    """Where `deriva` keeps credentials."""
    return Path.home() / ".deriva" / "credential.json"


def keychain_file() -> Path:
    """Where `bdbag` keeps them."""
    return Path.home() / ".bdbag" / "keychain.json"


def log_in(accounts: Accounts, client: Client, hostname: str) -> None:
    """Make sure that both files hold a token that lets `client` into `hostname` (`localhost:8443`).

    A token that is there and still valid is kept, so that running programs keep theirs.

    Raises:
        Conflict: One of the files is not what its program writes; neither is changed.
    """
    with _locked():
        credentials = _read(credential_file(), dict)
        keychain = _read(keychain_file(), list)
        entry = credentials.get(hostname)
        token = entry.get(BEARER) if isinstance(entry, dict) else None
        session = accounts.session(token) if isinstance(token, str) else None
        if not isinstance(token, str) or session is None or session.client.id != client.id:
            token = accounts.log_in(client)
        _write(credential_file(), credentials | {hostname: {BEARER: token}})
        _write(keychain_file(), [*_others(keychain, hostname), _keychain_entry(hostname, token)])


def log_out(hostname: str) -> None:
    """Remove the entries of `hostname` from both files."""
    with _locked():
        credentials = _read(credential_file(), dict)
        if credentials.pop(hostname, None) is not None:
            _write(credential_file(), credentials)
        keychain = _read(keychain_file(), list)
        if len(_others(keychain, hostname)) < len(keychain):
            _write(keychain_file(), _others(keychain, hostname))


def _locked() -> AbstractContextManager[None]:
    """Hosts of several data directories may be started at once; each keeps the others' entries."""
    folder = credential_file().parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return locked(folder / "deriva-local.lock")


def _keychain_entry(hostname: str, token: str) -> dict[str, Any]:
    return {
        "uri": _prefix(hostname),
        "auth_type": BEARER,
        "auth_params": {"token": token, "allow_redirects_with_token": "False"},
    }


def _prefix(hostname: str) -> str:
    return f"https://{hostname}/"


def _others(keychain: list[Any], hostname: str) -> list[Any]:
    return [entry for entry in keychain if not (isinstance(entry, dict) and entry.get("uri") == _prefix(hostname))]


def _read(path: Path, kind: type[Content]) -> Content:
    if not path.exists():
        return kind()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Conflict(f"{path} is not JSON ({error}). Repair it or move it away.") from None
    if not isinstance(content, kind):
        raise Conflict(f"{path} does not hold a JSON {kind.__name__}. Repair it or move it away.")
    return content


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def system_user() -> tuple[str, str]:
    """Login name and full name of whoever runs this."""
    name = getpass.getuser()
    try:
        full_name = pwd.getpwnam(name).pw_gecos.partition(",")[0]
    except KeyError:
        full_name = ""
    return name, full_name or name
