"""The users of this host and their sessions, in one SQLite file of the data directory.

In: a token, as a bearer token or cookie. Out: the `Client` that it stands for. A token is a random secret that is shown
once; only its SHA-256 is kept (it has 256 random bits, so nothing slower than a plain hash is needed), so that the file
gives nobody a way in. Each use may lengthen a session; a session that is not used for `LIFETIME_S` is over.

The command line (`login`) and the server share the file; SQLite's locks keep them apart.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deriva_local.auth.client import Client
from deriva_local.errors import Conflict, NotFound

TOKEN_BYTES = 32
LIFETIME_S = 30 * 24 * 3600
# A use writes the new end only when it moves by more than this: reading stays reading.
EXTENSION_STEP_S = 3600
ID_PREFIX = "https://localhost/users/"

TABLES = """
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, full_name TEXT NOT NULL, email TEXT NOT NULL,
    groups TEXT NOT NULL DEFAULT '[]', is_default INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS sessions (
    token_hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users, since REAL NOT NULL, expires REAL NOT NULL
);
"""

# The owner of this host is its administrator. Catalog policies made for DERIVA hosts (deriva_ml's among them) call
# a host's administrators `admin`, and would otherwise take a catalog away from the person who made it.
ADMIN_GROUP = "admin"


@dataclass(frozen=True)
class Session:
    """A client that has logged in; times are seconds since 1970."""

    client: Client
    since: float
    expires: float


class Accounts:
    """Users and sessions of one data directory. May be used from several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it, readable by its owner alone, if there is none."""
        path.touch(mode=0o600, exist_ok=True)
        self._path = path
        with self._open() as database:
            database.executescript(TABLES)

    def default_user(self, name: str, full_name: str) -> Client:
        """The user that owns this host; made at the first call, and the same ever after, whatever the arguments."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")  # of two first starts, one makes the user
            row = database.execute("SELECT name FROM users WHERE is_default").fetchone()
            if row is None:
                self._insert(database, name, full_name, (ADMIN_GROUP,), is_default=True)
        return self.user(row[0] if row else name)

    def add_user(self, name: str, full_name: str = "", groups: Iterable[str] = ()) -> Client:
        """A new user; `groups` are ids that access control lists may name.

        Raises:
            Conflict: There is a user of this name.
        """
        with self._open() as database:
            try:
                self._insert(database, name, full_name or name, tuple(groups), is_default=False)
            except sqlite3.IntegrityError:
                raise Conflict(f"There is a user {name!r} already.") from None
        return self.user(name)

    def user(self, name: str) -> Client:
        """The user of this name, or `NotFound`."""
        with self._open() as database:
            row = database.execute("SELECT id, name, full_name, email, groups FROM users WHERE name = ?", [name])
            found = row.fetchone()
            if found is None:
                known = ", ".join(repr(other) for (other,) in database.execute("SELECT name FROM users ORDER BY name"))
                raise NotFound(f"There is no user {name!r}. There are: {known}.")
        return _client(found)

    def log_in(self, client: Client) -> str:
        """Begin a session; gives the token, which is kept nowhere."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = time.time()
        with self._open() as database:
            database.execute("DELETE FROM sessions WHERE expires <= ?", [now])
            database.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", [_hash(token), client.id, now, now + LIFETIME_S]
            )
        return token

    def session(self, token: str) -> Session | None:
        """The session of this token, extended by the use; None if it is unknown or over."""
        now = time.time()
        with self._open() as database:
            row = database.execute(
                "SELECT u.id, u.name, u.full_name, u.email, u.groups, s.since, s.expires"
                " FROM sessions s JOIN users u ON u.id = s.user WHERE s.token_hash = ? AND s.expires > ?",
                [_hash(token), now],
            ).fetchone()
            if row is None:
                return None
            *user, since, expires = row
            if now + LIFETIME_S - expires > EXTENSION_STEP_S:
                expires = now + LIFETIME_S
                database.execute("UPDATE sessions SET expires = ? WHERE token_hash = ?", [expires, _hash(token)])
        return Session(_client(user), since, expires)

    def log_out(self, token: str) -> None:
        """End the session of this token, if there is one."""
        with self._open() as database:
            database.execute("DELETE FROM sessions WHERE token_hash = ?", [_hash(token)])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction. Opening a file of this size costs some 50 µs, and spares us locks between threads."""
        database = sqlite3.connect(self._path, timeout=10)
        try:
            with database:
                yield database
        finally:
            database.close()

    @staticmethod
    def _insert(
        database: sqlite3.Connection, name: str, full_name: str, groups: tuple[str, ...], *, is_default: bool
    ) -> None:
        email = f"{name}@localhost"
        values = [f"{ID_PREFIX}{uuid.uuid4()}", name, full_name, email, json.dumps(groups), is_default]
        database.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", values)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _client(row: Iterable[str]) -> Client:
    id_, name, full_name, email, groups = row
    return Client(id_, name, full_name, email, attributes=(id_, *json.loads(groups)))
