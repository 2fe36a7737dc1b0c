"""Feature values of an execution: staged as JSON lines, sent in chunks, so that memory does not grow with their number.

A feature table takes one value for each record and execution; more than that would be dropped by the server without a
word, so it is an error here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from deriva_ml.core.constants import rid_regex
from deriva_ml.dataset.upload import feature_value_path
from deriva_ml.feature import FeatureRecord

from deriva_ml_kit.mainline.catalog.rows import batches, insert_path, said
from deriva_ml_kit.mainline.execution.report import UploadReport

CHUNK_ROWS = 2000


@dataclass(frozen=True)
class Flush:
    """Where staged feature values go.

    Attributes:
        catalog: ErmrestCatalog.
        model: DerivaModel.
        asset_rid: RID of an output file by its path, or None where the path is no output of this execution.
        report: Takes counts and errors.
    """

    catalog: Any
    model: Any
    asset_rid: Callable[[str], str | None]
    report: UploadReport

    def file(self, staged: Path) -> None:
        """Send the values of one feature; values that an earlier attempt has sent are not sent twice."""
        target, feature_name = staged.parent.parts[-2:]
        feature = self.model.lookup_feature(target, feature_name)
        table = feature.feature_table
        path = insert_path(table.schema.name, table.name, skip_conflicts=True)
        name = f"{table.schema.name}:{table.name}"
        columns = [column.name for column in feature.asset_columns]
        sent = stored = 0
        try:
            for lines in batches(self._lines(staged, columns), CHUNK_ROWS):
                body = f"[{','.join(lines)}]".encode()
                answer = self.catalog.post(path, data=body, headers={"Content-Type": "application/json"})
                sent += len(lines)
                stored += len(answer.json())
        except (requests.HTTPError, ValueError) as error:
            self.report.count(name, uploaded=sent, failed=sum(1 for _ in self._lines(staged, [])) - sent)
            self.report.errors.append(f"{name}: {said(error)}")
            return
        lost = repeated(staged, [feature.target_column, *feature.qualifier_columns]) if stored < sent else 0
        self.report.count(name, uploaded=sent - lost, failed=lost)
        if lost:
            self.report.errors.append(
                f"{name}: {lost} of {sent} values were not stored: "
                f"an execution can give a {feature.target_table.name} only one value of {feature.feature_name}"
            )

    def _lines(self, staged: Path, asset_columns: list[str]) -> Iterator[str]:
        with staged.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):  # a line without its end was being written when the process died
                    yield self._with_rids(line, asset_columns) if asset_columns else line

    def _with_rids(self, line: str, asset_columns: list[str]) -> str:
        """Replace the paths of output files by the RIDs that they have now."""
        values = json.loads(line)
        for column in asset_columns:
            given = values[column]
            if given is None:
                continue
            rid = self.asset_rid(given) or (given if re.fullmatch(rid_regex, given) else None)
            if rid is None:
                raise ValueError(f"{given} (column {column}) is neither an output file of this execution nor a RID")
            values[column] = rid
        return json.dumps(values)


def stage(working_dir: Path, schema: str, execution_rid: str, records: Iterable[FeatureRecord]) -> int:
    """Append records, of one feature or several, to the staged files.

    Returns:
        How many records there were.
    """
    count = 0
    files: dict[type[FeatureRecord], Any] = {}
    try:
        for record in records:
            kind = type(record)
            if kind not in files:
                target = kind.feature.target_table.name
                place = feature_value_path(working_dir, execution_rid, schema, target, kind.feature.feature_name)
                files[kind] = place.open("a", encoding="utf-8")
            record.Execution = execution_rid
            files[kind].write(record.model_dump_json(exclude={"RCT"}) + "\n")
            count += 1
    finally:
        for file in files.values():
            file.close()
    return count


def repeated(staged: Path, columns: Sequence[str]) -> int:
    """How many staged values have the same target record, and qualifiers, as another one before them."""
    targets: set[tuple[str, ...]] = set()
    count = 0
    with staged.open(encoding="utf-8") as lines:
        for line in lines:
            count += 1
            values = json.loads(line)
            targets.add(tuple(values[column] for column in columns))
    return count - len(targets)
