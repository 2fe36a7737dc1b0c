"""Which versions datasets have, and whether the text of a version can name a released one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.nearest import suggestion

_RID = re.compile(r"[0-9A-Z]{1,4}(-[0-9A-Z]{4})*")
_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
SHOWN = 8


def dataset_versions(ml: DerivaML, rids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return versions and their catalog snapshots, newest first; a RID that is no dataset is left out."""
    possible = [rid for rid in rids if _RID.fullmatch(rid)]
    schema = ml.ml_schema
    found: dict[str, dict[str, str]] = {
        row["RID"]: {} for row in rows_with(ml.catalog, schema, "Dataset", "RID", possible, wanted=["RID"])
    }
    wanted = ["Dataset", "Version", "Snapshot"]
    for row in rows_with(ml.catalog, schema, "Dataset_Version", "Dataset", list(found), wanted=wanted):
        found[row["Dataset"]][row["Version"]] = row["Snapshot"] or ""
    return {rid: dict(sorted(known.items(), key=_newest_last, reverse=True)) for rid, known in found.items()}


def dataset_rids(ml: DerivaML) -> list[str]:
    """Return the RIDs of all datasets."""
    return [row["RID"] for row in ml.catalog.get(f"/attribute/{table_name(ml.ml_schema, 'Dataset')}/RID").json()]


def version_fault(version: str) -> str | None:
    """Say what is wrong with the text of a version; None if it can name a released one."""
    if ".dev" in version:
        return f"{version} is a development version, whose content still changes; release it first"
    if not _VERSION.fullmatch(version):
        return f"{version!r} is no version of the form 1.2.0"
    return None


def released_version(ml: DerivaML, rid: str, version: str | None = None) -> tuple[str, str]:
    """Return a dataset's version, the newest if none is asked for, and its catalog snapshot.

    Raises:
        UsageError: There is no such dataset or version; names what there is.
    """
    known = dataset_versions(ml, [rid]).get(rid)
    if known is None:
        hint = suggestion(rid, dataset_rids(ml))
        raise UsageError(f"No dataset of catalog {ml.catalog_id} on {ml.host_name} has the RID {rid}; {hint}")
    available = f"Versions: {', '.join(list(known)[:SHOWN]) or 'none'}."
    if version is None and known:
        version = next(iter(known))
    if version not in known:
        wrong = version_fault(version or "") or f"dataset {rid} has no version {version}"
        raise UsageError(f"{rid}@{version}: {wrong}.", remedy=available)
    return version, known[version]


def _newest_last(item: tuple[str, str]) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", item[0]))
