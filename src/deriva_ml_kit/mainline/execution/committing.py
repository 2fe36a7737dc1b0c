"""Bringing what an execution has registered and staged into the catalog, and noticing what is not there.

In: the register of output files and the staged feature values in an execution's folder. Out: an UploadReport, and the
files with their RIDs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.errors import DerivaMLUploadError
from deriva_ml_kit.mainline.execution.objects import Objects
from deriva_ml_kit.mainline.execution.outputs import AssetFilePath, Register
from deriva_ml_kit.mainline.execution.report import ProgressCallback, UploadReport
from deriva_ml_kit.mainline.execution.upload import Uploader, files_below
from deriva_ml_kit.mainline.feature.staged import Flush

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

SHOWN_ERRORS = 20


def refuse_incomplete(execution_rid: str, register: Register, report: UploadReport) -> None:
    """Compare what was registered with what lies there, before anything is sent.

    Raises:
        DerivaMLUploadError: A registered file was never written, or a file was never registered.
    """
    root = register.root
    entries = register.entries()
    for entry in entries:
        if not (root / entry.path).is_file():
            report.count(entry.table.replace("/", ":"), failed=1)
            place = f"{entry.table}/{entry.file_name}"
            report.errors.append(f"{place}: registered, but no file was written to {root / entry.path}")
    registered = {root / entry.path for entry in entries}
    for path in files_below(root / "asset"):
        if path not in registered:
            report.errors.append(f"{path}: not registered; get the path of every output by exe.asset_file_path")
    if report.errors:
        raise DerivaMLUploadError(
            f"Outputs of execution {execution_rid} and its registered files differ. Nothing was uploaded.\n  "
            + "\n  ".join(report.errors[:SHOWN_ERRORS]),
            report=report,
            remedy="Write or remove the files, then commit_output_assets() again.",
        )


def send(
    ml: DerivaML,
    execution_rid: str,
    register: Register,
    report: UploadReport,
    progress: ProgressCallback | None = None,
) -> dict[str, list[AssetFilePath]]:
    """Upload the registered files, then the staged feature values, which may refer to them.

    Returns:
        The files that are in the catalog now, by `schema/table`.
    """
    root = register.root
    entries = register.entries()
    objects = Objects(ml.host_name, ml.credential, ml.limits, root)
    uploader = Uploader(ml.catalog, ml.model, objects, ml.limits, execution_rid)
    rows = uploader.upload(root, entries, report, progress)
    if not report.errors:
        rids = {str(root / path): str(row["RID"]) for path, row in rows.items()}
        flush = Flush(ml.catalog, ml.model, rids.get, report)
        for staged in sorted((root / "feature").glob("**/*.jsonl")):
            flush.file(staged)
    uploaded: dict[str, list[AssetFilePath]] = defaultdict(list)
    for entry in entries:
        if entry.path in rows:
            path = AssetFilePath(
                asset_path=str(root / entry.path),
                asset_name=entry.table,
                file_name=entry.file_name,
                asset_metadata=entry.metadata,
                asset_types=entry.asset_types,
                asset_rid=rows[entry.path]["RID"],
            )
            uploaded[entry.table].append(path)
    return dict(uploaded)
