"""A bag's CSV files as SQLite databases, one for each schema: loaded once, used again as long as the bag is the same.

Values are kept as the catalog's JSON has them: NULL is not an empty text, times are ISO 8601 with their offset, arrays
and JSON columns are JSON text. The release loses the difference of NULL and empty text, fails on a boolean that is
NULL, and loads everything again whenever a bag is opened.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlparse

from deriva.core.ermrest_model import Column, Table

from deriva_ml_kit.mainline.bag import arrays

FOLDER = "database"
MARK = "loaded.json"
FORMAT = 1  # of the databases: another one is loaded again
ASSET_COLUMNS = frozenset({"Filename", "URL", "Length", "MD5", "Description"})

_EMPTY_TEXT = re.compile(rb'(?:^|,)""(?:,|\r?$)', re.MULTILINE)
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)')
_AFFINITIES = {"int2": "INTEGER", "int4": "INTEGER", "int8": "INTEGER", "float4": "REAL", "float8": "REAL"}


def load(bag: Path, tables: Iterable[Table]) -> Path:
    """Load a bag, unless it was loaded before as it is now.

    Args:
        bag: Folder of the bag.
        tables: Tables that its files may hold rows of; of several with one name, the first is meant.

    Returns:
        The folder with a database for each schema.
    """
    folder = bag.parent / FOLDER
    wanted = _fingerprint(bag)
    if _mark(folder) == wanted:
        return folder
    made = Path(mkdtemp(prefix=f".{FOLDER}-", dir=bag.parent))
    try:
        _load(bag, list(tables), made)
        (made / MARK).write_text(json.dumps(wanted), encoding="utf-8")
        _put(made, folder, wanted)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def quoted(*names: str) -> str:
    """An SQL name."""
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


def _fingerprint(bag: Path) -> dict[str, Any]:
    """What a database depends on; paths of files in it are absolute."""
    digest = hashlib.sha256()
    for file in sorted([*bag.glob("manifest-*.txt"), bag / "fetch.txt"]):
        if file.exists():
            digest.update(file.read_bytes())
    return {"format": FORMAT, "bag": str(bag.resolve()), "content": digest.hexdigest()}


def _mark(folder: Path) -> Any:
    try:
        return json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _put(made: Path, folder: Path, wanted: Any) -> None:
    """Give a finished folder its name; another program may have been faster."""
    if folder.exists() and _mark(folder) != wanted:
        old = Path(mkdtemp(prefix=f".{FOLDER}-old-", dir=folder.parent))
        folder.rename(old / FOLDER)
        shutil.rmtree(old, ignore_errors=True)
    try:
        made.rename(folder)
    except OSError:
        if _mark(folder) != wanted:
            raise


def _load(bag: Path, tables: list[Table], folder: Path) -> None:
    by_name: dict[str, Table] = {}
    for table in tables:
        by_name.setdefault(table.name, table)
    connection = sqlite3.connect(folder / "main.db", isolation_level=None)
    try:
        for schema in {table.schema.name: None for table in tables}:
            connection.execute("ATTACH DATABASE ? AS " + quoted(schema), [str(folder / f"{schema}.db")])
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for table in tables:
            connection.execute(_definition(table))
        local_files = _local_files(bag)
        for file in sorted((bag / "data").rglob("*.csv")):
            if file.stem in by_name:
                _insert(connection, by_name[file.stem], file, local_files)
        for table in tables:
            for number, columns in enumerate(sorted({_key_columns(key) for key in table.foreign_keys})):
                index = quoted(table.schema.name, f"{table.name}_{number}")
                listed = ", ".join(map(quoted, columns))
                connection.execute(f"CREATE INDEX {index} ON {quoted(table.name)} ({listed})")
        connection.execute("COMMIT")
    finally:
        connection.close()


def _key_columns(key: Any) -> tuple[str, ...]:
    return tuple(column.name for column in key.foreign_key_columns)


def _definition(table: Table) -> str:
    columns = ", ".join(
        f"{quoted(column.name)} {_AFFINITIES.get(column.type.typename, '')}"
        + (" PRIMARY KEY" if column.name == "RID" else "")
        for column in table.columns
    )
    return f"CREATE TABLE {quoted(table.schema.name, table.name)} ({columns})"


def _insert(connection: sqlite3.Connection, table: Table, file: Path, local_files: dict[str, str]) -> None:
    """Insert the rows of a file; a row that another way led to is there already."""
    rows = _records(file)
    header = next(rows, None)
    if header is None:
        return
    names = [str(name) for name in header]
    known = [(place, table.columns[name]) for place, name in enumerate(names) if name in table.columns.elements]
    converters = [
        (place, convert) for place, (_, column) in enumerate(known) if (convert := _converter(column)) is not None
    ]
    places = [place for place, _ in known]
    asset = {column.name for _, column in known} >= ASSET_COLUMNS
    filename, url = (names.index("Filename"), names.index("URL")) if asset else (-1, -1)

    def values() -> Iterator[list[Any]]:
        for row in rows:
            if asset and row[url]:
                row[filename] = local_files.get(urlparse(row[url]).path, row[filename])
            cells = [row[place] for place in places]
            for place, convert in converters:
                if cells[place] is not None:
                    cells[place] = convert(cells[place])
            yield cells

    columns = ", ".join(quoted(column.name) for _, column in known)
    slots = ", ".join("?" * len(known))
    into = quoted(table.schema.name, table.name)
    connection.executemany(f"INSERT OR IGNORE INTO {into} ({columns}) VALUES ({slots})", values())


def _records(file: Path) -> Iterator[list[Any]]:
    """The records of a CSV file as PostgreSQL writes it: None for NULL, which is an empty field without quotes."""
    content = file.read_bytes()
    if _EMPTY_TEXT.search(content):
        yield from _records_with_empty_texts(content.decode())
        return
    for record in csv.reader(io.StringIO(content.decode(), newline="")):
        yield [cell or None for cell in record]


def _records_with_empty_texts(text: str) -> Iterator[list[Any]]:
    record: list[Any] = []
    place = 0
    while place < len(text):
        field = _FIELD.match(text, place)
        if field is None:
            raise ValueError(f"Malformed CSV at character {place}.")
        inside, bare, end = field.groups()
        record.append(inside.replace('""', '"') if inside is not None else bare or None)
        if end != ",":
            yield record
            record = []
        place = field.end()


def _converter(column: Column) -> Callable[[str], Any] | None:
    name = column.type.typename
    if name.endswith("[]"):
        return arrays.as_json
    return _CONVERTERS.get(name)


def _boolean(text: str) -> int:
    return 1 if text[0] in "tTyY1" else 0


def _moment(text: str) -> str:
    """`2026-01-31 12:00:00.5+00` as JSON answers have it: `2026-01-31T12:00:00.5+00:00`."""
    iso = text.replace(" ", "T", 1)
    return f"{iso}:00" if iso[-3] in "+-" else iso


def _local_files(bag: Path) -> dict[str, str]:
    """Path in a URL to the local file, fetched or not."""
    listing = bag / "fetch.txt"
    if not listing.exists():
        return {}
    lines = (line.split("\t") for line in listing.read_text(encoding="utf-8").splitlines() if line)
    return {urlparse(url).path: f"{bag}/{place}" for url, _length, place in lines}


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("int2", "int4", "int8", "serial2", "serial4", "serial8"), int),
    **dict.fromkeys(("float4", "float8", "numeric"), float),
    **dict.fromkeys(("timestamp", "timestamptz", "ermrest_rct", "ermrest_rmt"), _moment),
    "boolean": _boolean,
}
