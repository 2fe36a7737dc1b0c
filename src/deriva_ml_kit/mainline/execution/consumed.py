"""Which datasets executions had as inputs, in which version, and which they made: for many at once.

Dataset_Execution links both: the release also notes there which execution made a dataset. A link is not an input where
its execution made the dataset's first version and no consumed version is noted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


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

    @classmethod
    def of(cls, ml: DerivaML, datasets: Collection[str]) -> Versions:
        """The versions of these datasets, in one request for hundreds of them."""
        wanted = ["RID", "RCT", "Dataset", "Version", "Execution", "Snapshot"]
        return cls(list(rows_with(ml.catalog, ml.ml_schema, "Dataset_Version", "Dataset", datasets, wanted=wanted)))

    def newest_first(self, dataset: str) -> list[Row]:
        """The versions of a dataset."""
        return sorted((row for row in self.rows if row["Dataset"] == dataset), key=_rank, reverse=True)

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
    links = list(rows_with(ml.catalog, ml.ml_schema, "Dataset_Execution", column, values))
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
