"""The SQLite file of an index: documents with their words, and the rows of the catalog that they were made of.

Readers never wait (write-ahead log). Whoever brings the index up to date holds SQLite's write lock from the first
question to the catalog to the last document, in one transaction: others that would do the same wait or leave it, and
an interrupted one leaves the index as it was. A file that is damaged or of another format is made anew.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import platformdirs

from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.index.documents import FIELDS, Document, Kind

FORMAT = 1  # goes up when the tables below, or what documents hold, change
BUSY_SECONDS = 5.0
KIND_BITS = 40  # a document's number begins, to the left of these, with that of its kind
POLL_SECONDS = 0.1
T = TypeVar("T")

_TABLES = f"""
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (
  name TEXT PRIMARY KEY, rows INTEGER NOT NULL, newest TEXT NOT NULL, since TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE row (
  source TEXT, rid TEXT, rmt TEXT NOT NULL, of TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (source, rid)
) WITHOUT ROWID;
CREATE INDEX row_of ON row (of, source) WHERE of <> '';
CREATE TABLE document (id INTEGER PRIMARY KEY, {", ".join(f"{name} TEXT NOT NULL" for name in FIELDS)});
CREATE UNIQUE INDEX document_key ON document (key);
CREATE INDEX document_source ON document (source, kind);
CREATE INDEX document_rid ON document (rid) WHERE rid <> '';
CREATE VIRTUAL TABLE text USING fts5(
  title, names, body, content='document', content_rowid='id',
  tokenize='porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE spelling USING fts5vocab(text, 'row');
CREATE VIRTUAL TABLE place USING fts5vocab(text, 'instance');
CREATE TABLE total (kind TEXT PRIMARY KEY, documents INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER document_added AFTER INSERT ON document BEGIN
  INSERT INTO total VALUES (new.kind, 1) ON CONFLICT (kind) DO UPDATE SET documents = documents + 1;
  INSERT INTO text (rowid, title, names, body) VALUES (new.id, new.title, new.names, new.body);
END;
CREATE TRIGGER document_removed AFTER DELETE ON document BEGIN
  UPDATE total SET documents = documents - 1 WHERE kind = old.kind;
  INSERT INTO text (text, rowid, title, names, body) VALUES ('delete', old.id, old.title, old.names, old.body);
END;
CREATE TRIGGER document_changed AFTER UPDATE ON document BEGIN
  INSERT INTO text (text, rowid, title, names, body) VALUES ('delete', old.id, old.title, old.names, old.body);
  INSERT INTO text (rowid, title, names, body) VALUES (new.id, new.title, new.names, new.body);
END;
PRAGMA user_version = {FORMAT};
"""
_COLUMNS = ", ".join(FIELDS)

Change = Literal["added", "changed", "unchanged"]


def numbers(kind: str) -> tuple[int, int]:
    """The first and the last number that documents of a kind can have."""
    place = list(Kind).index(Kind(kind))
    return place << KIND_BITS, (place + 1 << KIND_BITS) - 1


def index_file(hostname: str = "", catalog_id: str = "") -> Path:
    """Where the index of a catalog is kept; without one, that of the plugin's pages."""
    folder = Path(platformdirs.user_cache_dir("deriva-ml-kit", appauthor=False)) / "search"
    name = f"{quote(hostname.lower(), safe='')}#{quote(catalog_id, safe='')}" if hostname else "references"
    return folder / f"{name}.sqlite"


class Store:
    """An open index; for one thread.

    Args:
        file: Where it is; made if it is not there, or is no index of this format.

    Raises:
        ToolError: The folder cannot be written to, or this Python's SQLite has no full-text search.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # what others may not see stays so
            try:
                self.db = self._opened()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                remove(file)
                self.db = self._opened()
        except (OSError, sqlite3.OperationalError) as error:
            raise _unusable(file, error) from error

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def writing(self, check: Callable[[], None], *, wait: bool) -> Iterator[bool]:
        """Everything inside takes effect together, or not at all; false if somebody else is writing.

        Args:
            check: Called while waiting; raises when nobody waits for the result any more.
            wait: Wait until the other one is done, and never answer false.
        """
        self.db.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._begun():
                if not wait:
                    yield False
                    return
                check()
                time.sleep(POLL_SECONDS)
        finally:
            self.db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        try:
            yield True
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def state(self, name: str) -> str:
        """Something that was noted; empty if it was not."""
        found = self.db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def note(self, name: str, value: str) -> None:
        """Note something."""
        self.db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    def clear(self, *, keep: str) -> None:
        """Forget all rows, notes, and documents but those of one source."""
        self.db.execute("DELETE FROM document WHERE source <> ?", (keep,))
        for table in ("row", "source", "state"):
            self.db.execute(f"DELETE FROM {table}")

    def put(self, document: Document) -> Change:
        """Store a document; says whether that changed anything. A key never goes from one kind to another."""
        row = document.as_row()
        found = self.db.execute(f"SELECT id, {_COLUMNS} FROM document WHERE key = ?", row[:1]).fetchone()
        if found is None:
            first, last = numbers(document.kind)
            (newest,) = self.db.execute(
                "SELECT max(id) FROM document WHERE id BETWEEN ? AND ?", (first, last)
            ).fetchone()
            number = first if newest is None else newest + 1
            marks = ", ".join("?" * len(row))
            self.db.execute(f"INSERT INTO document (id, {_COLUMNS}) VALUES (?, {marks})", (number, *row))
            return "added"
        if found[1:] == row:
            return "unchanged"
        assigned = ", ".join(f"{name} = ?" for name in FIELDS)
        self.db.execute(f"UPDATE document SET {assigned} WHERE id = ?", (*row, found[0]))
        return "changed"

    def drop(self, keys: Iterable[str]) -> int:
        """Remove documents; says how many there were."""
        return sum(self.db.execute("DELETE FROM document WHERE key = ?", (key,)).rowcount for key in keys)

    def kinds(self, source: str) -> dict[str, str]:
        """The keys of all documents of a source, with their kinds."""
        return dict(self.db.execute("SELECT key, kind FROM document WHERE source = ?", (source,)))

    def counts(self) -> dict[str, int]:
        """How many documents there are of each kind."""
        return dict(self.db.execute("SELECT kind, documents FROM total WHERE documents > 0"))

    def put_row(self, source: str, rid: str, rmt: str, of: str, data: dict[str, Any]) -> str | None:
        """Keep a row; gives what it belonged to before, None if it is as it was, `+` if it is new."""
        found = self.db.execute("SELECT rmt, of FROM row WHERE source = ? AND rid = ?", (source, rid)).fetchone()
        if found and found[0] == rmt:
            return None
        text = json.dumps(data, ensure_ascii=True)
        self.db.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?, ?)", (source, rid, rmt, of, text))
        return str(found[1]) if found else "+"

    def drop_row(self, source: str, rid: str) -> str:
        """Forget a row; gives what it belonged to."""
        found = self.db.execute("DELETE FROM row WHERE source = ? AND rid = ? RETURNING of", (source, rid)).fetchone()
        return str(found[0]) if found else ""

    def row(self, source: str, rid: str) -> dict[str, Any] | None:
        """A row that is kept."""
        found = self.db.execute("SELECT data FROM row WHERE source = ? AND rid = ?", (source, rid)).fetchone()
        return dict(json.loads(found[0])) if found else None

    def rows_of(self, source: str, of: str) -> dict[str, dict[str, Any]]:
        """The rows that belong to a row, by RID."""
        found = self.db.execute(
            "SELECT rid, data FROM row INDEXED BY row_of WHERE of = ? AND of <> '' AND source = ?", (of, source)
        )
        return {rid: json.loads(data) for rid, data in found}

    def kept(self, source: str) -> dict[str, str]:
        """RIDs and times of change of the rows of a source."""
        return dict(self.db.execute("SELECT rid, rmt FROM row WHERE source = ?", (source,)))

    def row_count(self, source: str) -> int:
        """How many rows of a source are kept."""
        return int(self.db.execute("SELECT count(*) FROM row WHERE source = ?", (source,)).fetchone()[0])

    def note_source(self, source: str, rows: int, newest: str, since: str) -> None:
        """Note how far a source was read."""
        self.db.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?)", (source, rows, newest, since))

    def sources(self) -> dict[str, tuple[int, str, str]]:
        """How far each source was read: how many rows are kept, the newest time of change, and where to go on."""
        return {name: (rows, newest, since) for name, rows, newest, since in self.db.execute("SELECT * FROM source")}

    def _begun(self) -> bool:
        try:
            self.db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                return False
            raise
        return True

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.file, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                self._made(db)
            db.execute("SELECT count(*) FROM text WHERE text MATCH 'a'").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _made(self, db: sqlite3.Connection) -> None:
        """Make the tables, in a file that has none of this format."""
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == FORMAT:  # somebody else was faster
            db.execute("ROLLBACK")
            return
        if version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            db.execute("ROLLBACK")
            raise sqlite3.DatabaseError("of another format")
        for statement in _statements(_TABLES):
            db.execute(statement)
        db.execute("COMMIT")


def repaired(file: Path, work: Callable[[Store], T]) -> T:
    """What work on an index gives; once more on a new one, if the file turns out to be damaged."""
    for again in (True, False):
        try:
            with Store(file) as store:
                return work(store)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or not again:
                raise _unusable(file, error) from error
            remove(file)
    raise AssertionError  # the second attempt returns or raises


def remove(file: Path) -> None:
    """Delete an index."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT)


def _unusable(file: Path, error: Exception) -> ToolError:
    if "fts5" in str(error):
        return ToolError(
            Code.FAILED,
            "The SQLite of this Python has no full-text search (FTS5), which searching needs.",
            remedy="Use a Python whose sqlite3 has it, such as one that uv installs: uv python install 3.12",
        )
    return ToolError(
        Code.FAILED,
        f"The search index {file} cannot be used: {error}",
        remedy="Make its folder writable, or set XDG_CACHE_HOME to one that is.",
    )
