"""Which datasets executions had as inputs, in which version, and which they made: for many at once.

Dataset_Execution links both: the release also notes there which execution made a dataset. A link is not an input where
its execution made the dataset's first version and no consumed version is noted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row, insert, table_name
from deriva_ml_kit.mainline.catalog.single import has_column
from deriva_ml_kit.mainline.errors import DerivaMLDataError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

TABLE = "Dataset_Execution"


@dataclass(frozen=True)
class Consumed:
    """A dataset as an input.

    Attributes:
        execution: RID of the execution.
        dataset: RID of the dataset.
        version: The version that was used; None where the catalog does not say.
    """

    execution: str
    dataset: str
    version: str | None


@dataclass(frozen=True)
class Versions:
    """The versions of some datasets.

    Args:
        rows: Rows of Dataset_Version.
    """

    rows: Collection[Row]

    @cached_property
    def _newest_first(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in sorted(self.rows, key=_rank, reverse=True):
            found.setdefault(row["Dataset"], []).append(row)
        return found

    @classmethod
    def of(cls, ml: DerivaML, datasets: Collection[str]) -> Versions:
        """The versions of these datasets, in one request for hundreds of them."""
        wanted = ["RID", "RCT", "Dataset", "Version", "Execution", "Snapshot"]
        return cls(list(rows_with(ml.catalog, ml.ml_schema, "Dataset_Version", "Dataset", datasets, wanted=wanted)))

    def newest_first(self, dataset: str) -> list[Row]:
        """The versions of a dataset."""
        return self._newest_first.get(dataset, [])

    def made_by(self, dataset: str, version: str | None = None) -> str | None:
        """The execution that made a version, the newest where none is given; None if it is not known."""
        rows = self.newest_first(dataset)
        chosen = rows[0] if version is None and rows else next((r for r in rows if r["Version"] == version), None)
        return str(chosen["Execution"]) if chosen and chosen["Execution"] else None

    def created_by(self, dataset: str) -> str | None:
        """The execution that made the first version."""
        rows = self.newest_first(dataset)
        return str(rows[-1]["Execution"]) if rows and rows[-1]["Execution"] else None


def inputs_of(
    ml: DerivaML, *, executions: Collection[str] = (), datasets: Collection[str] = ()
) -> tuple[list[Consumed], Versions]:
    """The datasets that executions used, and the versions of all of them.

    Args:
        ml: The catalog.
        executions: Only what these used; or
        datasets: only who used these.
    """
    column, values = ("Execution", executions) if executions else ("Dataset", datasets)
    links = list(rows_with(ml.catalog, ml.ml_schema, TABLE, column, values))
    versions = Versions.of(ml, {link["Dataset"] for link in links} | set(datasets))
    name_of = {row["RID"]: str(row["Version"]) for row in versions.rows}
    links.sort(key=lambda link: (str(link["RCT"]), str(link["RID"])))
    return list(_inputs(links, name_of, versions)), versions


def _inputs(links: Iterable[Row], name_of: dict[str, str], versions: Versions) -> Iterable[Consumed]:
    for link in links:
        noted = link.get("Dataset_Version")
        if noted is None and versions.created_by(link["Dataset"]) == link["Execution"]:
            continue
        yield Consumed(link["Execution"], link["Dataset"], name_of.get(noted) if noted else None)


def _rank(row: Row) -> tuple[list[int], str]:
    parts = str(row["Version"]).replace("-", ".").split(".")
    return [int(part) if part.isdigit() else -1 for part in parts], str(row["RCT"])


def note(ml: DerivaML, execution: str, used: Collection[tuple[str, str | None]]) -> None:
    """Record datasets as inputs of an execution, with their versions where the catalog has a place for them.

    Safe to repeat; a version is added to a link that has none.

    Args:
        ml: The catalog.
        execution: RID of the execution.
        used: RIDs of datasets, each with the version that is used, if that is known.

    Raises:
        DerivaMLDataError: A dataset has no such version.
    """
    rids = {(row["Dataset"], row["Version"]): row["RID"] for row in Versions.of(ml, {rid for rid, _ in used}).rows}
    if unknown := [f"{rid}@{version}" for rid, version in used if version and (rid, version) not in rids]:
        raise DerivaMLDataError(f"There is no such version: {', '.join(unknown)}.")
    rows: list[Row] = [{"Dataset": rid, "Execution": execution} for rid, _ in used]
    insert(ml.catalog, ml.ml_schema, TABLE, rows, skip_conflicts=True)
    if has_column(ml, TABLE, "Dataset_Version"):
        path = f"/attributegroup/{table_name(ml.ml_schema, TABLE)}/Dataset,Execution;Dataset_Version"
        links = {rid: rids[rid, version] for rid, version in used if version}
        if links:
            ml.catalog.put(
                path, json=[row | {"Dataset_Version": links[row["Dataset"]]} for row in rows if row["Dataset"] in links]
            )
