"""Make a run again, compare the two, and keep the comparison in the catalog.

The comparison is an execution of its own: the outputs of both runs are its inputs, the new run is its part.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.single import has_column
from deriva_ml_kit.mainline.execution import nested
from deriva_ml_kit.mainline.execution.fetching import record
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation
from deriva_ml_kit.ops.tracking import again, compare
from deriva_ml_kit.ops.tracking.compare import Finding, Likeness
from deriva_ml_kit.ops.tracking.record import FILE
from deriva_ml_kit.ops.tracking.recorded import Recorded, recorded
from deriva_ml_kit.ops.tracking.runs import METRICS

if TYPE_CHECKING:
    import pandas as pd

PROGRAM = ("Reproduce", WorkflowType.REPRODUCTION, __name__)
REPORT = "reproduction.json"
SYSTEM = {"RID", "RCT", "RMT", "RCB", "RMB", "Execution", "Feature_Name"}
# Of each run its own: times, RIDs, seals.
OWN = (FILE, METRICS, "receipt-tier1.json", "receipt-tier2.json", "receipt-tier3.json")


class ReproductionReport(Document):
    """How a run that was made again differs from the first one.

    Attributes:
        execution: RID of the first run.
        again: RID of the new one.
        commit: What was checked out.
        note: What the comparison cannot vouch for.
        command: What was typed.
        datasets: `RID@VERSION` of the inputs of both.
        tolerance: Relative, and absolute near zero.
        exact: Whether every byte had to be the same.
        reproduced: The verdict.
        findings: What was compared.
        libraries: Name to the versions of the first run and of the new one, where they differ.
    """

    KIND: ClassVar[AssetType] = AssetType.REPRODUCTION_REPORT

    execution: str
    again: str
    commit: str
    note: str | None
    command: str
    datasets: tuple[str, ...]
    tolerance: float
    exact: bool
    reproduced: bool
    findings: tuple[Finding, ...]
    libraries: dict[str, tuple[str | None, str | None]]


def plan(ml: DerivaML, root: Path, rid: str, *, locked: bool = False) -> tuple[Recorded, str, list[str]]:
    """The run, the commit to check out, and what is typed there; nothing is written.

    Raises:
        Undecidable: It cannot be made again; says why.
    """
    first = recorded(ml, rid)
    commit = again.resolve(root, first)
    return first, commit, again.command(first, ml.host_name, str(ml.catalog_id), locked=locked)


def reproduce(
    ml: DerivaML,
    root: Path,
    rid: str,
    *,
    tolerance: float = 1e-6,
    exact: bool = False,
    ignored: Collection[str] = (),
    locked: bool = False,
) -> tuple[ReproductionReport, str]:
    """Make a run again and compare.

    Args:
        ml: The catalog.
        root: A folder of the project's repository.
        rid: Execution to make again.
        tolerance: How far numbers may differ, relative, and absolute near zero.
        exact: Whether every byte must be the same.
        ignored: Metrics that are expected to differ, such as durations.
        locked: In the environment of the commit's uv.lock.

    Returns:
        The report, and the RID of its execution.

    Raises:
        Undecidable: It cannot be made again; says why.
    """
    first, commit, words = plan(ml, root, rid, locked=locked)
    with operation(ml, f"Reproduces execution {rid}: {first.description}", program=PROGRAM) as doing:
        with tempfile.TemporaryDirectory(prefix="deriva-ml-note-") as notes, again.worktree(root, commit) as there:
            attempt = again.play(words, first, there, Path(notes, "execution.json"))
        if has_column(ml, nested.TABLE):
            nested.add(ml, doing.rid, attempt.execution, 1)
        second = recorded(ml, attempt.execution)
        record(ml, doing.rid, [*first.outputs, *second.outputs])
        findings = tuple(_findings(ml, first, second, tolerance, ignored))
        report = ReproductionReport(
            execution=rid,
            again=attempt.execution,
            commit=commit,
            note=_note(first, second, commit),
            command=shlex.join(words),
            datasets=first.datasets,
            tolerance=tolerance,
            exact=exact,
            reproduced=first.datasets == second.datasets and compare.reproduced(findings, exact=exact),
            findings=findings,
            libraries=dict(_libraries(first, second)),
        )
        doing.keep(report, REPORT)
    return report, doing.rid


def _findings(
    ml: DerivaML, first: Recorded, second: Recorded, tolerance: float, ignored: Collection[str]
) -> Iterator[Finding]:
    if first.status != second.status:
        yield Finding(kind="status", name="status", likeness=Likeness.DIFFERS, first=first.status, again=second.status)
    yield from compare.metrics(first.metrics, second.metrics, tolerance, ignored)
    yield from _values(ml, first.rid, second.rid, tolerance)
    predictions = {each.filename for each in first.outputs if AssetType.PREDICTION_FILE in each.asset_types}
    with tempfile.TemporaryDirectory(prefix="deriva-ml-compare-") as folder:
        one, two = _by_name(first.outputs), _by_name(second.outputs)
        yield from compare.files(
            _fetched(one, two, Path(folder, "first")), _fetched(two, one, Path(folder, "again")), tolerance, predictions
        )


def _by_name(outputs: Collection[Asset]) -> dict[str, Asset]:
    return {asset.filename: asset for asset in outputs if asset.filename not in OWN}


def _fetched(mine: Mapping[str, Asset], others: Mapping[str, Asset], folder: Path) -> dict[str, tuple[str, Path]]:
    """MD5 and file of each output; only those are fetched that differ from their counterpart."""
    return {
        name: (
            asset.md5,
            asset.download(folder / asset.asset_rid)
            if name in others and others[name].md5 != asset.md5
            else folder / name,
        )
        for name, asset in mine.items()
    }


def _values(ml: DerivaML, first: str, second: str, tolerance: float) -> Iterator[Finding]:
    """Compare the feature values that both executions wrote."""
    for feature in ml.find_features():
        table = feature.feature_table
        rows = list(rows_with(ml.catalog, table.schema.name, table.name, "Execution", [first, second]))
        if not rows:
            continue
        target = str(feature.target_table.name)
        one, two = (_frame(rows, rid, target) for rid in (first, second))
        likeness, detail = compare.tables(one, two, tolerance)
        yield Finding(
            kind="feature values",
            name=f"{target}:{feature.feature_name}",
            likeness=likeness,
            first=f"{len(one)} values",
            again=f"{len(two)} values",
            detail=detail,
        )


def _frame(rows: Collection[Mapping[str, Any]], execution: str, target: str) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    columns = [target, *sorted({name for row in rows for name in row} - SYSTEM - {target})]
    mine = [{name: row[name] for name in columns} for row in rows if row["Execution"] == execution]
    return pd.DataFrame(mine, columns=columns)


def _libraries(first: Recorded, second: Recorded) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    one = {"python": first.python, **first.packages}
    two = {"python": second.python, **second.packages}
    for name in sorted(one.keys() | two.keys(), key=str.lower):
        if one.get(name) != two.get(name):
            yield name, (one.get(name), two.get(name))


def _note(first: Recorded, second: Recorded, commit: str) -> str | None:
    if first.datasets != second.datasets:
        return f"The new run used {', '.join(second.datasets)}, not {', '.join(first.datasets)}."
    if commit == first.script_commit:
        return "Nobody recorded which commit was checked out; the last one that changed the script was taken."
    return None
