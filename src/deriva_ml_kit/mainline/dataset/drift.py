"""What changed in the catalog since a dataset was released: rows that its bag holds, or would hold now.

Rows are found along the ways that its bag is made by, and counted once however many ways lead to them. Rows that tell
about the dataset itself, its versions and executions do not count: they change with every release. Rows that are gone
cannot be found; `delete_dataset_members` opens a period of development for that reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from deriva.core import urlquote
from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.dataset.periods import versions_of
from deriva_ml_kit.mainline.dataset.spec import DatasetSpec
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

NOT_CONTENT = frozenset(
    {
        "Dataset",
        "Dataset_Version",
        "Dataset_Dev",
        "Dataset_Execution",
        "Execution",
        "Workflow",
        "Workflow_Workflow_Type",
        "Workflow_Type",
        "Directory_Dataset",
    }
)


def changed(ml: DerivaML, rid: str, after: str, until: str | None = None) -> dict[str, int]:
    """How many rows changed, by table; tables without any are left out.

    Args:
        ml: The catalog.
        rid: RID of the dataset.
        after: Time (as in RMT) after which they changed.
        until: Time until which they did; until now where not given.
    """
    rows: dict[str, set[str]] = defaultdict(set)
    with ThreadPoolExecutor(ml.limits.workers) as pool:
        for table, found in pool.map(lambda each: (each[0], _rids(ml, each[1])), _paths(ml, rid, after, until)):
            rows[table] |= found
    return {table: len(found) for table, found in sorted(rows.items()) if found}


def has_changed(ml: DerivaML, rid: str, after: str) -> bool:
    """Whether any row changed."""
    return any(ml.catalog.get(f"/attribute/{path}/RID?limit=1").json() for _, path in _paths(ml, rid, after, None))


def reached(ml: DerivaML, rid: str, table: Table) -> list[str]:
    """RIDs of the rows of a table that the bag of a dataset would hold."""
    return sorted(set().union(*(_rids(ml, path) for path in paths_to(ml, rid, table))))


def paths_to(ml: DerivaML, rid: str, table: Table) -> list[str]:
    """Paths of the rows of a table that the bag of a dataset would hold; several may lead to the same row."""
    paths = (source for source, _, found in ml._table_paths(_spec(rid)) if found is table)
    return [path.replace("{RID}", urlquote(rid, "")) for path in dict.fromkeys(paths)]


def time_of(ml: DerivaML, rid: str, version: DatasetVersion) -> str | None:
    """When a version was released, as in RMT; None for the state in development, which is now.

    Raises:
        DerivaMLNotFoundError: There is no such version, or it is a state in development that is gone.
    """
    found = versions_of(ml, rid)
    if version.is_devrelease and version == found.development:
        return None
    return str(found.row_of(version)["RMT"])


def _paths(ml: DerivaML, rid: str, after: str, until: str | None) -> Iterator[tuple[str, str]]:
    """Tables with the request path of their changed rows; tables that several ways lead to come several times."""
    when = f"RMT::gt::{urlquote(after, '')}" + (f"&RMT::leq::{urlquote(until, '')}" if until else "")
    ways = {(source, table) for source, _, table in ml._table_paths(_spec(rid)) if not _apart(ml, table)}
    for source, table in sorted(ways, key=lambda way: (way[0].count("/"), way[0])):
        yield f"{table.schema.name}:{table.name}", f"{source.replace('{RID}', urlquote(rid, ''))}/{when}"


def _spec(rid: str) -> DatasetSpec:
    return DatasetSpec(rid=rid, version="0.0.0")  # the version is not looked at


def _apart(ml: DerivaML, table: Table) -> bool:
    return bool(table.schema.name == ml.ml_schema and table.name in NOT_CONTENT)


def _rids(ml: DerivaML, path: str) -> set[str]:
    return {row["RID"] for row in paged(ml.catalog, path, wanted=["RID"])}
