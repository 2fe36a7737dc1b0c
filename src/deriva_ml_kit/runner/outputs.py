"""Where a run puts its results, and the proof that they reached the catalog.

Files and feature values are registered with the execution, by the methods here or by the execution's own; all of them
are sealed, checked and found again. In a dry run they are checked in the same way, and the execution keeps them in a
temporary folder that goes away with it.
"""

from __future__ import annotations

import base64
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from deriva.core.hatrac_store import HatracStore
from deriva.core.utils.hash_utils import compute_file_hashes

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.features.catalog import CatalogKnown, count_values, read_shape
from deriva_ml_kit.features.schema import FeatureShape, Kind, Vocabulary
from deriva_ml_kit.mainline import DerivaML, Execution
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.execution import committing
from deriva_ml_kit.mainline.execution.outputs import Register, Registered
from deriva_ml_kit.mainline.execution.report import UploadReport
from deriva_ml_kit.nearest import remedy

TABLE, ASSET_TYPE = "Execution_Asset", "Output_File"
TARGETS_LOOKED_UP = 1000
GONE = (404, 409, 410)  # Hatrac says 409 of an object that has no version left


class UnknownTerm(UsageError):
    """An output names a term that its vocabulary does not have."""


@dataclass(frozen=True)
class Sealed:
    """An output file as it was when the run ended."""

    table: str
    name: str
    bytes: int
    md5: str


class Outputs:
    """The results of one execution.

    Use it inside the execution's `with`; call `seal` at its end and `verify` after the commit.

    Attributes:
        values: Feature table to the number of values staged; known once they are sealed.
        targets: Feature table to the RIDs that they are about; likewise.
    """

    def __init__(self, ml: DerivaML, exe: Execution) -> None:
        self._ml = ml
        self._exe = exe
        self._register: Register = exe._register
        self._before = {entry.path for entry in self._register.entries()}
        self._files: set[tuple[str, str]] = set()
        self._shapes: dict[tuple[str, str], FeatureShape] = {}
        self._asset_types: set[str] | None = None
        self.values: Counter[str] = Counter()
        self.targets: dict[str, set[str]] = {}

    @property
    def tables(self) -> set[str]:
        """The asset tables that the files go to."""
        return {_table(entry) for entry in self._entries()}

    def written(self, name: str) -> Path | None:
        """Where a registered file lies on this disk, as long as it does."""
        paths = (self._register.root / entry.path for entry in self._entries() if entry.file_name == name)
        return next((path for path in paths if path.is_file()), None)

    def file(self, name: str, asset_type: str = ASSET_TYPE, table: str = TABLE, **metadata: Any) -> Path:
        """Register an output file and return the path to write it to.

        Args:
            name: File name in the catalog, with its suffix.
            asset_type: A term of Asset_Type, such as Model_File.
            table: An asset table.
            metadata: Values of the table's own columns.

        Raises:
            UnknownTerm: The asset type does not exist.
            UsageError: The table does not exist, or the name is used already.
        """
        if (table, name) in self._files:
            raise UsageError(f"Output {name} is registered twice.", remedy="Give each output file a name of its own.")
        self._require_asset_type(asset_type)
        self._files.add((table, name))
        return Path(self._exe.asset_file_path(table, name, asset_types=asset_type, **metadata))

    def feature(self, table: str, feature_name: str) -> type[Any]:
        """Return the record class of a feature, whose instances `features` takes.

        Raises:
            UsageError: There is no such feature; names the nearest.
        """
        self._shape(table, feature_name)
        record: type[Any] = self._ml.feature_record_class(table, feature_name)
        return record

    def features(self, records: Iterable[Any]) -> int:
        """Stage feature values; their terms are checked first, which the library does not do.

        Returns:
            Their number.
        """
        checked = self._checked(records)
        for first in checked:  # the library refuses an empty list, which is a fair result of a run
            return int(self._exe.add_features(itertools.chain([first], checked)))
        return 0

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Write what `run` measured as the output file metrics.json, unless it has written one itself."""
        if self.written("metrics.json"):
            return
        kind = "Metrics_File" if "Metrics_File" in self._known_asset_types() else "Output_File"
        text = json.dumps(dict(values), indent=1, default=str)
        self.file("metrics.json", asset_type=kind).write_text(text + "\n", encoding="utf-8")

    def seal(self) -> list[Sealed]:
        """Return the files with their sizes and checksums; count and check the feature values.

        Raises:
            KitError: A registered file was never written, or a record has two values of one feature.
            UnknownTerm: A feature value names a term that its vocabulary does not have.
        """
        entries = {self._register.root / entry.path: entry for entry in self._entries()}
        missing = [entry.file_name for path, entry in entries.items() if not path.is_file()]
        if missing:
            raise KitError(
                f"Registered but never written: {', '.join(missing)}.",
                remedy="Write to the path that out.file(…) returns, or do not register the file.",
            )
        for staged in sorted((self._register.root / "feature").glob("**/*.jsonl")):
            self._count(staged)
        return [
            Sealed(_table(entry), entry.file_name, path.stat().st_size, _md5(path)) for path, entry in entries.items()
        ]

    def _count(self, staged: Path) -> None:
        """Count the values of one feature, and check their terms and targets."""
        shape = self._shape(*staged.parent.parts[-2:])
        vocabularies = {c.name: shape.vocabularies[c.refers_to] for c in shape.columns if c.kind is Kind.TERM}
        targets: Counter[str] = Counter()
        with staged.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                value = json.loads(line)
                for column, vocabulary in vocabularies.items():
                    _require_term(value[column], column, vocabulary, number)
                targets[value[shape.target.name]] += 1
        if twice := [rid for rid, count in targets.items() if count > 1]:
            raise KitError(
                f"{len(twice)} records have more than one value of {shape.name}, {twice[0]} among them.",
                remedy="An execution can give a record one value of a feature; decide which.",
            )
        some = list(targets)[:TARGETS_LOOKED_UP]
        if unknown := set(some) - CatalogKnown(self._ml, shape).rids(shape.target.refers_to, some):
            raise KitError(
                f"Values of {shape.name} are about rows that {shape.target.refers_to} does not have: "
                f"{', '.join(sorted(unknown)[:5])}.",
                remedy=f"Give the RIDs of rows of {shape.target.refers_to}.",
            )
        self.values[shape.table], self.targets[shape.table] = targets.total(), set(targets)

    def verify(self, sealed: Collection[Sealed]) -> list[dict[str, Any]]:
        """Find each output in catalog and object store, with the same size and MD5.

        Returns:
            For each file: rid, table, filename, bytes, md5.

        Raises:
            KitError: Something is missing or differs.
        """
        stored = {table: self._stored(table) for table in {file.table for file in sealed}}
        store = HatracStore("https", self._ml.host_name, self._ml.credential)
        found, problems = [], []
        for file in sealed:
            row = stored[file.table].get((file.name, file.md5))
            if row is None:
                problems.append(f"{file.name} (MD5 {file.md5}) is no output of the execution")
                continue
            problems += _differences(store, file, row)
            found.append(
                {"rid": row["RID"], "table": file.table, "filename": file.name, "bytes": file.bytes, "md5": file.md5}
            )
        if problems:
            raise KitError(
                f"The outputs of execution {self._exe.execution_rid} are not as sent: {'; '.join(problems)}.",
                remedy="Run the script again; this execution's results are incomplete.",
            )
        return found

    def stored_values(self) -> dict[str, tuple[int, int]]:
        """Feature table to the number of values that the catalog holds of the execution, and that were staged."""
        rid = self._exe.execution_rid
        return {table: (count_values(self._ml, table, rid), staged) for table, staged in self.values.items()}

    def _entries(self) -> list[Registered]:
        """What was registered since the execution began; it registers some metadata itself."""
        return [entry for entry in self._register.entries() if entry.path not in self._before]

    def _stored(self, table: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the execution's output rows of one asset table by file name and MD5."""
        link, asset_column, execution_column = self._ml.model.find_association(table, "Execution")
        catalog, mine = self._ml.catalog, [self._exe.execution_rid]
        links = rows_with(catalog, link.schema.name, link.name, execution_column, mine)
        rids = [row[asset_column] for row in links if row["Asset_Role"] == "Output"]
        schema = self._ml.model.name_to_table(table).schema.name
        return {(row["Filename"], row["MD5"]): row for row in rows_with(catalog, schema, table, "RID", rids)}

    def _checked(self, records: Iterable[Any]) -> Iterator[Any]:
        for number, record in enumerate(records, start=1):
            feature = type(record).feature
            shape = self._shape(feature.target_table.name, feature.feature_name)
            for column in shape.columns:
                if column.kind is Kind.TERM:
                    value = getattr(record, column.name)
                    _require_term(value, column.name, shape.vocabularies[column.refers_to], number)
            yield record

    def _shape(self, table: str, feature_name: str) -> FeatureShape:
        """A feature's columns and terms, read once."""
        if (table, feature_name) not in self._shapes:
            self._shapes[table, feature_name] = read_shape(self._ml, table, feature_name)
        return self._shapes[table, feature_name]

    def _require_asset_type(self, term: str) -> None:
        if term not in (known := self._known_asset_types()):
            raise UnknownTerm(f"Asset_Type has no term {term!r}.", remedy=remedy(term, known))

    def _known_asset_types(self) -> set[str]:
        if self._asset_types is None:
            self._asset_types = {term.name for term in self._ml.list_vocabulary_terms("Asset_Type")}
        return self._asset_types


def attach(ml: DerivaML, execution_rid: str, name: str, content: str, asset_type: str = ASSET_TYPE) -> str:
    """Add a file to the outputs of a finished execution, whose status stays as it is; gives the file's RID.

    Raises:
        KitError: It did not arrive.
    """
    with tempfile.TemporaryDirectory(prefix="deriva-ml-attach-") as folder:
        register, table = Register(Path(folder)), ml.model.name_to_table(TABLE)
        path = register.place(table.schema.name, table.name, name, {})
        path.write_text(content, encoding="utf-8")
        qualified, relative = f"{table.schema.name}/{table.name}", path.relative_to(folder).as_posix()
        register.add(Registered(qualified, relative, name, [asset_type]))
        report = UploadReport([execution_rid])
        files = committing.send(ml, execution_rid, register, report)
    if report.errors:
        raise KitError(f"{name} of execution {execution_rid} did not arrive: {'; '.join(report.errors)}")
    return str(files[qualified][0].asset_rid)


def _table(entry: Registered) -> str:
    return entry.table.partition("/")[2]


def _md5(path: Path) -> str:
    return str(compute_file_hashes(str(path), ["md5"])["md5"][0])


def _require_term(value: str | None, column: str, vocabulary: Vocabulary, number: int) -> None:
    if value is not None and value not in vocabulary.names:
        raise UnknownTerm(
            f"Feature value {number}: {column} = {value!r} is no term of {vocabulary.table}.",
            remedy=remedy(str(value), vocabulary.names),
        )


def _differences(store: HatracStore, file: Sealed, row: Mapping[str, Any]) -> Iterator[str]:
    """In what an output differs from its row and from its object."""
    if row["Length"] != file.bytes:
        yield f"{file.name} has {row['Length']} bytes in the catalog, not {file.bytes}"
    try:
        head = store.head(row["URL"]).headers
    except requests.HTTPError as error:
        if error.response.status_code not in GONE:
            raise
        yield f"{file.name} is not in the object store"
        return
    stored_md5 = base64.b64decode(head.get("Content-MD5", "")).hex()
    if (int(head.get("Content-Length", -1)), stored_md5) != (file.bytes, file.md5):
        yield f"{file.name} has {head.get('Content-Length')} bytes with MD5 {stored_md5} in the object store"
