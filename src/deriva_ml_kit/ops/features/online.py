"""The newest values in one SQLite file, for models in service: microseconds, no catalog, no network.

    materialize(ml, ["user:age", "user:country"], Path("online.sqlite"), definitions="src/configs/features.toml")

    with OnlineStore(Path("online.sqlite")) as store:
        reply = store.get_features(entity_id="1-2A3B")
        reply.values["user:age"], reply.age["user:age"], reply.as_of

The file is made from one snapshot of the catalog and never changed: a new one takes its place at once, and open stores
go over to it by themselves.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.ops.documents import parse
from deriva_ml_kit.ops.features.definitions import FeatureDefinition, FeatureDefinitions
from deriva_ml_kit.ops.features.historical import Given, definitions_of
from deriva_ml_kit.ops.features.moments import Moment, moment
from deriva_ml_kit.ops.features.reading import rows
from deriva_ml_kit.ops.features.sources import MOMENTS, Source, from_catalog, sources

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

SCHEMA = """
    CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE latest (key TEXT, entity TEXT, content TEXT NOT NULL, PRIMARY KEY (key, entity)) WITHOUT ROWID;
"""
FORMAT = "1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Materialized:
    """What a store was made of.

    Attributes:
        snapshot: Catalog and snapshot, such as `1@2TA-…`.
        as_of: When that was.
        dataset: `RID@VERSION` that named it.
        definitions: Of its features.
        rows: Rows of values that were read.
        entities: Entity to the number of its keys that have values.
    """

    snapshot: str
    as_of: datetime
    dataset: str | None
    definitions: FeatureDefinitions
    rows: int
    entities: Mapping[str, int]


@dataclass(frozen=True)
class Reply:
    """Features of one entity.

    Attributes:
        entity_id: Its key.
        found: Whether the store has any value of it.
        values: Feature to its value; None where there is none, or none that is young enough.
        age: Feature to the seconds since its value held; None where there is none.
        expired: Features whose value is too old.
        as_of: State of the catalog that the store shows.
    """

    entity_id: str
    found: bool
    values: dict[str, Any]
    age: dict[str, float | None]
    expired: tuple[str, ...]
    as_of: datetime


def materialize(
    ml: DerivaML,
    feature_refs: Sequence[str],
    file: Path,
    *,
    definitions: Given = None,
    as_of: datetime | str | None = None,
) -> Materialized:
    """Write the newest values of features to a file, in the place of the one that is there.

    Args:
        ml: The catalog.
        feature_refs: `<entity>:<feature>`, or with `@<version>`.
        file: Where to; readers of the one before are not disturbed.
        definitions: See `FeatureStore`.
        as_of: State of the catalog: a time, or `RID@VERSION` of a dataset; now where not given.

    Raises:
        Faults: What is wrong with features or definitions; keys whose newest values are tied; values without a time.
        UsageError: There is no such state, or no such folder.
    """
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.")
    at = moment(ml, as_of)
    chosen = (definitions_of(definitions) or from_catalog(at.ml, feature_refs)).chosen(feature_refs)
    content: dict[tuple[str, str], dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    count = 0
    for source in sources(at.ml, chosen):
        newest = _Newest(source, at)
        for row in rows(at, source, None, at.time):
            newest.add(row)
            count += 1
        for key, short, value, held in newest.chosen():
            content.setdefault((key, source.entity), {})[short] = [value, (held - _EPOCH) // _MICROSECOND]
        kinds |= {each.name: source.table.columns[column].type.typename for each, column in source.features.values()}
    entities = {entity: sum(each == entity for _, each in content) for entity in sorted({e for _, e in content})}
    made = Materialized(at.snapshot, at.time, at.pin, chosen, count, entities)
    write_store(file, made, kinds, content)
    return made


class OnlineStore:
    """A file that `materialize` has made; can be asked by several threads.

    Args:
        file: The file.

    Raises:
        UsageError: There is none, or it is no such file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[int, int] | None = None
        with self._lock:
            self._follow()

    def __enter__(self) -> OnlineStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def get_features(
        self, entity_id: str, feature_refs: Sequence[str] | None = None, *, now: datetime | None = None
    ) -> Reply:
        """The newest features of one entity.

        Args:
            entity_id: Its key; of catalogs' rows the RID.
            feature_refs: Names of features; all where not given.
            now: From when ages are counted.

        Raises:
            UsageError: The store does not have such a feature; names those it has.
        """
        now = now or datetime.now(UTC)
        with self._lock:
            self._follow()
            assert self._connection is not None
            found = dict(
                self._connection.execute("SELECT entity, content FROM latest WHERE key = ?", (entity_id,)).fetchall()
            )
            features, as_of = self._features, self.as_of
        if feature_refs is not None:
            if unknown := [name for name in feature_refs if name not in features]:
                raise UsageError(f"{self.file} has no {', '.join(unknown)}.", remedy=f"It has {', '.join(features)}.")
            features = {name: features[name] for name in feature_refs}
        content = {entity: json.loads(text) for entity, text in found.items()}
        since = (now - _EPOCH) // _MICROSECOND
        values: dict[str, Any] = {}
        age: dict[str, float | None] = {}
        expired = []
        for name, (entity, short, limit, is_time) in features.items():
            value, held = content.get(entity, {}).get(short, (None, None))
            age[name] = None if held is None else (since - held) / 1e6
            if held is not None and limit is not None and since - held > limit:
                value = None
                expired.append(name)
            values[name] = datetime.fromisoformat(value) if is_time and value is not None else value
        return Reply(entity_id, bool(found), values, age, tuple(expired), as_of)

    def held(self) -> list[tuple[str, str]]:
        """Key and entity of everything that has values."""
        with self._lock:
            self._follow()
            assert self._connection is not None
            return self._connection.execute("SELECT key, entity FROM latest").fetchall()

    def _follow(self) -> None:
        """Open the file, or the one that has taken its place."""
        try:
            status = os.stat(self.file)  # noqa: PTH116  (Path.stat takes three times as long)
        except OSError as error:
            raise UsageError(
                f"There is no {self.file}.", remedy="Make it: uv run deriva-ml-ops materialize-features …"
            ) from error
        if self._seen == (status.st_ino, status.st_mtime_ns) and self._connection is not None:
            return
        connection = sqlite3.connect(f"{self.file.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False)
        try:
            about = dict(connection.execute("SELECT name, value FROM about").fetchall())
        except sqlite3.DatabaseError as error:
            connection.close()
            raise UsageError(f"{self.file} is no store of features: {error}") from error
        if about.get("format") != FORMAT:
            connection.close()
            raise UsageError(f"{self.file} has another format.", remedy="Make it again with this version.")
        if self._connection is not None:
            self._connection.close()
        self._connection, self._seen = connection, (status.st_ino, status.st_mtime_ns)
        self.snapshot = about["snapshot"]
        self.as_of = datetime.fromisoformat(about["as_of"])
        self.made = datetime.fromisoformat(about["made"])
        self.definitions = parse(about["definitions"], FeatureDefinitions, str(self.file))
        kinds = json.loads(about["types"])
        self._features = {each.name: _how(each, kinds[each.name]) for each in self.definitions.features}


def _how(feature: FeatureDefinition, kind: str) -> tuple[str, str, int | None, bool]:
    limit = None if feature.max_age is None else feature.max_age // _MICROSECOND
    return feature.entity, feature.short, limit, kind in MOMENTS


class _Newest:
    """The newest row of each key, while rows are read: nobody has to hold them all."""

    def __init__(self, source: Source, at: Moment) -> None:
        self.source, self.at = source, at
        self.undecided = 0
        self.best: dict[tuple[str, str], tuple[tuple[Any, ...], Any]] = {}
        self.tied: set[tuple[str, str]] = set()
        decides = [source.event_time, source.known_time, *([source.tie_break] if source.tie_break else [])]
        self.order = [(name, source.table.columns[name].type.typename in MOMENTS) for name in decides]

    def add(self, row: Mapping[str, Any]) -> None:
        """Look at one row."""
        source = self.source
        if row[source.key] is None:
            return
        if any(row[name] is None for name, _ in self.order):
            self.undecided += 1
            return
        order = [datetime.fromisoformat(row[name]) if is_time else row[name] for name, is_time in self.order]
        if source.recorded and row["RMT"] != row["RCT"]:
            order[1] = datetime.fromisoformat(row["RMT"])
        if max(order[:2]) > self.at.time:
            return
        for short, (feature, column) in source.features.items():
            place, value = (str(row[source.key]), short), row[column]
            if value is None and feature.skip_null:
                continue
            before = self.best.get(place)
            if before is None or tuple(order) > before[0]:
                self.best[place] = tuple(order), value
                self.tied.discard(place)
            elif tuple(order) == before[0]:
                self.tied.add(place)

    def chosen(self) -> Iterator[tuple[str, str, Any, datetime]]:
        """Key, feature, value, and since when it held.

        Raises:
            Faults: Rows have no time, or the newest of a key are tied.
        """
        name, columns = self.source.table.name, ", ".join(name for name, _ in self.order)
        faults = [Fault(f"{self.undecided} rows lack one of {columns}", file=name)] if self.undecided else []
        faults += [
            Fault(f"several rows with the same {columns}", file=name, column=self.source.key, value=key)
            for key in sorted({key for key, _ in self.tied})
        ]
        if faults:
            raise Faults(
                faults,
                message=f"Nothing tells which rows of {name} are the newest; nothing was written.",
                remedy="Correct the rows, or name the column that decides: tie_break in the definition.",
                shown=10,
            )
        for (key, short), (order, value) in self.best.items():
            yield key, short, value, order[0]


def write_store(
    file: Path, made: Materialized, kinds: Mapping[str, str], content: Mapping[tuple[str, str], Mapping[str, Any]]
) -> None:
    """Write the file beside the one that is there, then put it in its place."""
    draft = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    about = {
        "format": FORMAT,
        "snapshot": made.snapshot,
        "as_of": made.as_of.isoformat(),
        "made": datetime.now(UTC).isoformat(),
        "definitions": made.definitions.text(),
        "types": json.dumps(kinds),
    }
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(SCHEMA)
            connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            connection.executemany(
                "INSERT INTO latest VALUES (?, ?, ?)",
                ((*place, json.dumps(values, ensure_ascii=False)) for place, values in sorted(content.items())),
            )
            connection.commit()
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
