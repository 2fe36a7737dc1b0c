"""Where a run puts its results, and the proof that they reached the catalog.

Files and feature values are registered with the execution; in a dry run they are checked in the same way, and the
execution keeps them in a temporary folder that goes away with it.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva.core.hatrac_store import HatracStore
from deriva.core.utils.hash_utils import compute_file_hashes

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.features.catalog import count_values, read_shape
from deriva_ml_kit.features.schema import FeatureShape, Kind
from deriva_ml_kit.mainline import DerivaML, Execution
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.nearest import remedy


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
    """

    def __init__(self, ml: DerivaML, exe: Execution) -> None:
        self._ml = ml
        self._exe = exe
        self._files: dict[tuple[str, str], Path] = {}
        self._shapes: dict[tuple[str, str], FeatureShape] = {}
        self._asset_types: set[str] | None = None
        self.values: Counter[str] = Counter()

    def file(self, name: str, asset_type: str = "Output_File", table: str = "Execution_Asset", **metadata: Any) -> Path:
        """Register an output file and return the path to write it to.

        Args:
            name: File name in the catalog, with its suffix.
            asset_type: A term of Asset_Type, such as Model_File.
            table: An asset table.
            metadata: Values of the table's own columns.

        Raises:
            UsageError: The term or the table does not exist, or the name is used already.
        """
        if (table, name) in self._files:
            raise UsageError(f"Output {name} is registered twice.", remedy="Give each output file a name of its own.")
        self._require_asset_type(asset_type)
        path = Path(self._exe.asset_file_path(table, name, asset_types=asset_type, **metadata))
        self._files[table, name] = path
        return path

    def feature(self, table: str, feature_name: str) -> type[Any]:
        """Return the record class of a feature, whose instances `features` takes.

        Raises:
            UsageError: There is no such feature; names the nearest.
        """
        shape = read_shape(self._ml, table, feature_name)
        self._shapes[table, feature_name] = shape
        record: type[Any] = self._ml.feature_record_class(table, feature_name)
        return record

    def features(self, records: Iterable[Any]) -> int:
        """Stage feature values; their terms are checked first, which the library does not do.

        Returns:
            Their number.
        """
        before = self.values.total()
        checked = self._checked(records)
        for first in checked:  # the library refuses an empty list, which is a fair result of a run
            self._exe.add_features(itertools.chain([first], checked))
        return self.values.total() - before

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Write what `run` measured as the output file metrics.json."""
        kind = "Metrics_File" if "Metrics_File" in self._known_asset_types() else "Output_File"
        text = json.dumps(dict(values), indent=1, default=str)
        self.file("metrics.json", asset_type=kind).write_text(text + "\n", encoding="utf-8")

    def seal(self) -> list[Sealed]:
        """Return the files with their sizes and checksums.

        Raises:
            KitError: A registered file was never written.
        """
        missing = [name for (_, name), path in self._files.items() if not path.is_file()]
        if missing:
            raise KitError(
                f"Registered but never written: {', '.join(missing)}.",
                remedy="Write to the path that out.file(…) returns, or do not register the file.",
            )
        return [
            Sealed(table, name, path.stat().st_size, compute_file_hashes(str(path), ["md5"])["md5"][0])
            for (table, name), path in self._files.items()
        ]

    def verify(self, sealed: Iterable[Sealed]) -> list[dict[str, Any]]:
        """Find each output in catalog and object store, with the same size and MD5, and count feature values.

        Returns:
            For each file: rid, table, filename, bytes, md5.

        Raises:
            KitError: Something is missing or differs.
        """
        stored = {table: self._stored(table) for table in {table for table, _ in self._files}}
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
        for table, count in self.values.items():
            if (read := count_values(self._ml, table, self._exe.execution_rid)) != count:
                problems.append(f"{table} holds {read} values of the execution, not {count}")
        if problems:
            raise KitError(
                f"The outputs of execution {self._exe.execution_rid} are not as sent: {'; '.join(problems)}.",
                remedy="Run the script again; this execution's results are incomplete.",
            )
        return found

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
            key = (feature.target_table.name, feature.feature_name)
            if key not in self._shapes:
                self._shapes[key] = read_shape(self._ml, *key)
            _require_terms(record, self._shapes[key], number)
            self.values[self._shapes[key].table] += 1
            yield record

    def _require_asset_type(self, term: str) -> None:
        if term not in (known := self._known_asset_types()):
            raise UsageError(f"Asset_Type has no term {term!r}.", remedy=remedy(term, known))

    def _known_asset_types(self) -> set[str]:
        if self._asset_types is None:
            self._asset_types = {term.name for term in self._ml.list_vocabulary_terms("Asset_Type")}
        return self._asset_types


def _require_terms(record: Any, shape: FeatureShape, number: int) -> None:
    for column in shape.columns:
        value = getattr(record, column.name)
        if column.kind is not Kind.TERM or value is None:
            continue
        names = shape.vocabularies[column.refers_to].names
        if value not in names:
            raise UsageError(
                f"Feature value {number}: {column.name} = {value!r} is no term of {column.refers_to}.",
                remedy=remedy(str(value), names),
            )


def _differences(store: HatracStore, file: Sealed, row: Mapping[str, Any]) -> Iterator[str]:
    """In what an output differs from its row and from its object."""
    if row["Length"] != file.bytes:
        yield f"{file.name} has {row['Length']} bytes in the catalog, not {file.bytes}"
    head = store.head(row["URL"]).headers
    stored_md5 = base64.b64decode(head.get("Content-MD5", "")).hex()
    if (int(head.get("Content-Length", -1)), stored_md5) != (file.bytes, file.md5):
        yield f"{file.name} has {head.get('Content-Length')} bytes with MD5 {stored_md5} in the object store"
