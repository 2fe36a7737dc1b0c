"""Versions of datasets in the catalog: which there are, periods of development between them, and how one is released.

A released version is a row of Dataset_Version. What changes after it belongs to a period of development, which stands
in Dataset_Dev, one row for each dataset: the version it is based on (Base_Version) and how often the dataset was
changed since (Counter). Plain clients of the release do not know Dataset_Dev, and mint versions whenever they change
members; so a period is over as soon as a version newer than its base exists, whoever minted it: that version's snapshot
holds all that was changed before.

A release first claims the period, by a change of its row that takes effect only if nobody else changed the row
meanwhile: Base_Version becomes the version to be minted, Counter negative. Then it mints the version (row, then
Dataset.Version, then Snapshot). Wherever it is cut short, `release` with the same part goes on: a claim whose version
is missing is made good, a version without a snapshot gets one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from deriva.core import urlquote
from deriva_ml.dataset.aux_classes import VersionPart

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row, insert, insert_once, replace_unchanged, table_name
from deriva_ml_kit.mainline.catalog.single import has_column, refuse_snapshot, row_of
from deriva_ml_kit.mainline.dataset.spec import DatasetHistory
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion
from deriva_ml_kit.mainline.errors import (
    DerivaMLConfigurationError,
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

VERSIONS = "Dataset_Version"
PERIODS = "Dataset_Dev"
# How often a change is tried again when others change the same dataset at that moment.
ATTEMPTS = 10


class Overtaken(DerivaMLDataError):
    """Someone else changed or released the same dataset at the same time; this call did not."""

    def __init__(self, rid: str) -> None:
        super().__init__(
            f"Dataset {rid} was changed or released by someone else at the same time, and not by this call.",
            remedy="See its dataset_history(), and call again if that is still what you want.",
        )


@dataclass(frozen=True)
class Versions:
    """The versions of a dataset.

    Attributes:
        dataset_rid: RID of the dataset.
        rows: Rows of Dataset_Version, oldest version first.
        period: Row of Dataset_Dev, if there is one, be it over or not.
    """

    dataset_rid: str
    rows: Sequence[Row]
    period: Row | None

    @property
    def released(self) -> list[DatasetVersion]:
        """Released versions, oldest first."""
        parsed = (DatasetVersion.parse(row["Version"]) for row in self.rows)
        return [version for version in parsed if not version.is_devrelease]

    @property
    def newest(self) -> DatasetVersion:
        """Newest released version.

        Raises:
            DerivaMLDataError: There is none.
        """
        if not self.released:
            raise DerivaMLDataError(
                f"Dataset {self.dataset_rid} has no version.",
                remedy=f"Give it one: ml.increment_dataset_version({self.dataset_rid!r}, VersionPart.minor)",
            )
        return self.released[-1]

    @property
    def claimed(self) -> DatasetVersion | None:
        """The version that a release has begun to mint, and has not minted."""
        if self.period and self.period["Counter"] < 0:
            version = DatasetVersion.parse(self.period["Base_Version"])
            return version if version > self.newest else None
        return None

    @property
    def development(self) -> DatasetVersion | None:
        """Label of the state in development; None where nothing changed since the newest version."""
        if kept := [label for row in self.rows if (label := DatasetVersion.parse(row["Version"])).is_devrelease]:
            return max(kept)  # main line keeps its periods in Dataset_Version
        if self.period is None:
            return None
        open_ = self.period["Counter"] > 0 and DatasetVersion.parse(self.period["Base_Version"]) == self.newest
        return self.newest.in_development(abs(self.period["Counter"])) if open_ or self.claimed else None

    @property
    def current(self) -> DatasetVersion:
        """The state in development, if it is in development, else the newest version.

        Raises:
            DerivaMLDataError: There is no version.
        """
        return self.development or self.newest

    @property
    def unfinished(self) -> Row | None:
        """The newest version's row, if it lacks a snapshot: whoever minted it was cut short."""
        rows = [row for row in self.rows if row["Version"] == str(self.newest) and not row["Snapshot"]]
        return rows[0] if rows else None

    def history(self) -> list[DatasetHistory]:
        """All versions, oldest first, the state in development last."""
        entries = [
            DatasetHistory(
                dataset_version=DatasetVersion.parse(row["Version"]),
                dataset_rid=self.dataset_rid,
                version_rid=row["RID"],
                execution_rid=row["Execution"] or None,
                description=row["Description"],
                minid=row["Minid"],
                spec_hash=row.get("Minid_Spec_Hash"),
                snapshot=row["Snapshot"],
            )
            for row in self.rows
        ]
        if self.period and self.development:
            entries.append(
                DatasetHistory(
                    dataset_version=self.development,
                    dataset_rid=self.dataset_rid,
                    version_rid=self.period["RID"],
                    execution_rid=self.period["Execution"],
                    description=self.period["Description"],
                )
            )
        return entries

    def row_of(self, version: DatasetVersion) -> Row:
        """The row of a released version.

        Raises:
            DerivaMLNotFoundError: There is no such version; names those there are.
        """
        for row in self.rows:
            if row["Version"] == str(version):
                return row
        known = ", ".join(str(entry.dataset_version) for entry in reversed(self.history()))
        raise DerivaMLNotFoundError(
            f"Dataset {self.dataset_rid} has no version {version}.", remedy=f"It has {known or 'none'}."
        )


def versions(ml: DerivaML, rids: Collection[str]) -> dict[str, Versions]:
    """The versions of datasets, in a few requests however many they are."""
    # First the periods: a version that is minted in between then ends them, as it should.
    periods: dict[str, Row] = {}
    if has_column(ml, PERIODS):
        periods = {row["Dataset"]: row for row in rows_with(ml.catalog, ml.ml_schema, PERIODS, "Dataset", rids)}
    rows: dict[str, list[Row]] = {rid: [] for rid in rids}
    for row in rows_with(ml.catalog, ml.ml_schema, VERSIONS, "Dataset", rids):
        rows[row["Dataset"]].append(row)
    return {
        rid: Versions(rid, sorted(found, key=lambda row: DatasetVersion.parse(row["Version"])), periods.get(rid))
        for rid, found in rows.items()
    }


def versions_of(ml: DerivaML, rid: str) -> Versions:
    """The versions of a dataset."""
    return versions(ml, [rid])[rid]


def snapshot_of(ml: DerivaML, rid: str, version: DatasetVersion) -> str:
    """Catalog and snapshot in which a version can be read, such as `1@2TA-…`; now, for the state in development.

    Raises:
        DerivaMLNotFoundError: There is no such version, or it is a state in development that is gone.
        DerivaMLDataError: It was not minted to the end.
    """
    found = versions_of(ml, rid)
    catalog = str(ml.catalog_id).partition("@")[0]
    if version.is_devrelease and version == found.development:
        return f"{catalog}@{ml.catalog.get('/').json()['snaptime']}"
    snapshot = found.row_of(version)["Snapshot"]
    if not snapshot:
        raise DerivaMLDataError(
            f"Version {version} of dataset {rid} has no snapshot: its release was cut short.",
            remedy=f"Finish it: ml.lookup_dataset({rid!r}).release(…), as before.",
        )
    return f"{catalog}@{snapshot}"


def developable(ml: DerivaML, execution_rid: str | None = None) -> None:
    """Make sure that the catalog can hold states in development, and can be written to.

    Args:
        ml: The catalog.
        execution_rid: Execution that is going to be recorded, if one is.

    Raises:
        DerivaMLConfigurationError: It lacks the table.
        DerivaMLReadOnlyError: It is a snapshot.
        DerivaMLNotFoundError: It does not have the execution; a dry run is none.
    """
    refuse_snapshot(ml)
    if not has_column(ml, PERIODS):
        raise DerivaMLConfigurationError(
            f"Catalog {ml.catalog_id} on {ml.host_name} has no table {ml.ml_schema}:{PERIODS}, "
            "which holds datasets in development.",
            remedy="Add it (nothing else changes):\n"
            f"  deriva-ml-kit upgrade-catalog --hostname {ml.host_name} --catalog-id {ml.catalog_id}",
        )
    if execution_rid:
        row_of(ml, "Execution", execution_rid)


def develop(ml: DerivaML, rid: str, description: str, execution_rid: str | None = None) -> DatasetVersion:
    """Record that a dataset was changed: open a period of development, or count one more change.

    Whether the catalog is `developable` is asked before the change.

    Args:
        ml: The catalog.
        rid: RID of the dataset.
        description: What was changed; replaces that of the change before.
        execution_rid: Execution that changed it.

    Returns:
        The label after the change.

    Raises:
        Overtaken: Others changed the same dataset again and again at that moment.
    """
    for _ in range(ATTEMPTS):
        found = _writable_versions(ml, rid)
        if unfinished := found.unfinished:
            _finish(ml, [unfinished])
        count = 1 + (found.development.dev or 0 if found.development else 0)
        row = {
            "Base_Version": str(found.newest),
            "Counter": count,
            "Description": description,
            "Execution": execution_rid,
        }
        if found.period and _replaced(ml, found.period, row):
            return found.newest.in_development(count)
        begun = [{"Dataset": rid, **row}]
        if not found.period and insert(ml.catalog, ml.ml_schema, PERIODS, begun, skip_conflicts=True):
            return found.newest.in_development(count)
    raise Overtaken(rid)


def release(
    ml: DerivaML, rid: str, bump: VersionPart | str, description: str, execution_rid: str | None = None
) -> DatasetVersion:
    """Mint the version that ends a period of development.

    Args:
        ml: The catalog.
        rid: RID of the dataset.
        bump: Which part of the version advances.
        description: What the version is about.
        execution_rid: Execution that releases it.

    Raises:
        DerivaMLValidationError: Nothing changed since the newest version, or the release of another was cut short.
        Overtaken: Someone else changed or released the dataset at the same time.
    """
    developable(ml, execution_rid)
    found = _writable_versions(ml, rid)
    if found.development is None or found.period is None:
        if unfinished := found.unfinished:
            _finish(ml, [unfinished])
            return found.newest
        raise DerivaMLValidationError(
            f"Dataset {rid} did not change since version {found.newest}, so there is nothing to release.",
            remedy="If rows that its members refer to have changed, say so first: dataset.mark_dev('what changed').",
        )
    version = found.newest.next_release(bump)
    if found.claimed and found.claimed != version:
        raise DerivaMLValidationError(
            f"A release of dataset {rid} as {found.claimed} has begun and is not finished, so it cannot be {version}.",
            remedy=f"Release it as {found.claimed}; or take that back, if it was cut short: dataset.mark_dev('…').",
        )
    claim = {
        "Base_Version": str(version),
        "Counter": -(found.development.dev or 0),
        "Description": description,
        "Execution": execution_rid,
    }
    if not _replaced(ml, found.period, claim):
        raise Overtaken(rid)
    try:
        mint(ml, [{"Dataset": rid, "Version": str(version), "Description": description, "Execution": execution_rid}])
    except _Taken as error:
        raise Overtaken(rid) from error
    _over(ml, found.period, claim)
    return version


def mint(ml: DerivaML, rows: Sequence[Row]) -> None:
    """Make versions: rows with Dataset, Version, Description and Execution, as of now.

    Raises:
        _Taken: One of them exists already.
    """
    try:
        made = insert_once(ml.catalog, ml.ml_schema, VERSIONS, rows)
    except (requests.HTTPError, ValueError) as error:
        answer = getattr(error, "response", None)
        if answer is not None and answer.status_code != 409:
            raise
        labels = ", ".join(f"{row['Dataset']}@{row['Version']}" for row in rows)
        raise _Taken(f"Not minted, because a version exists already: {labels}.") from error
    _finish(ml, made)


class _Taken(DerivaMLDataError):
    """A version that someone else has minted."""


def _finish(ml: DerivaML, rows: Sequence[Row]) -> None:
    """Make versions the current ones, then give them their snapshot: last, as the sign that nothing is missing."""
    pointers = [{"RID": row["Dataset"], "Version": row["RID"]} for row in rows]
    ml.catalog.put(f"/attributegroup/{table_name(ml.ml_schema, 'Dataset')}/RID;Version", json=pointers)
    snapshot = ml.catalog.get("/").json()["snaptime"]
    stamps = [{"RID": row["RID"], "Snapshot": snapshot} for row in rows]
    ml.catalog.put(f"/attributegroup/{table_name(ml.ml_schema, VERSIONS)}/RID;Snapshot", json=stamps)


def _writable_versions(ml: DerivaML, rid: str) -> Versions:
    found = versions_of(ml, rid)
    if found.development and str(found.development) in {row["Version"] for row in found.rows}:
        raise DerivaMLDataError(
            f"Dataset {rid} is in development as {found.development}, in {VERSIONS}, where main line keeps it.",
            remedy="Release it with the deriva-ml that opened it.",
        )
    return found


def _replaced(ml: DerivaML, period: Row, values: Row) -> bool:
    """Change the row of a period, if it is as it was read; whether it was."""
    return replace_unchanged(ml.catalog, ml.ml_schema, PERIODS, period, values)


def _over(ml: DerivaML, period: Row, claim: Row) -> None:
    """Remove the row of a period that is over, unless the next one is open in it; it does not matter if it stays."""
    row = f"RID={urlquote(period['RID'], '')}/Counter={claim['Counter']}"
    with contextlib.suppress(requests.RequestException):
        ml.catalog.delete(f"/entity/{table_name(ml.ml_schema, PERIODS)}/{row}")
