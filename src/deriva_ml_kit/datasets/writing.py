"""Datasets made and filled inside an execution; every step ends with a released version, on any catalog.

The release's calls are used here, which mint a version with every change: they work on catalogs that have no place for
development versions too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from deriva_ml_kit.mainline import DerivaML, Execution
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import table_name

# Dataset types that are made here where a catalog lacks them.
TYPES = {
    "Training": "To learn from.",
    "Testing": "To judge by; kept out of every decision before.",
    "Validation": "To choose by while learning.",
    "Split": "Holds the parts into which a dataset was split.",
    "Split_Partition": "One part of a split.",
    "Subsample": "Drawn at random from another dataset.",
    "Development": "Small, with every class in it: for the first runs of a pipeline.",
    "Labeled": "Its records have labels.",
    "Unlabeled": "Its records have no labels.",
}


def ensure_types(ml: DerivaML, names: Iterable[str]) -> None:
    """Add the dataset types of ours that the catalog lacks.

    Raises:
        DerivaMLException: A type is neither in the catalog nor one of ours.
    """
    for name in dict.fromkeys(names):
        if name in TYPES:
            ml.add_term("Dataset_Type", name, description=TYPES[name], exists_ok=True)
        else:
            ml.lookup_term("Dataset_Type", name)


def ensure_element_type(ml: DerivaML, table: str) -> None:
    """Let records of a table be members of datasets."""
    if table not in {each.name for each in ml.list_dataset_element_types()}:
        ml.add_dataset_element_type(table)


def create(execution: Execution, types: Sequence[str], description: str) -> str:
    """Make an empty dataset; returns its RID."""
    made = execution.create_dataset(list(types), description)
    return str(getattr(made, "dataset_rid", made))


def change_members(
    ml: DerivaML,
    execution: Execution,
    rid: str,
    table: str,
    *,
    add: Collection[str],
    remove: Collection[str] = (),
    description: str,
) -> None:
    """Add members to a dataset, then take others away."""
    by = str(execution.execution_rid)
    if add:
        members = {table: sorted(add)}
        ml.add_dataset_members(rid, members, validate=False, description=description, execution_rid=by)
    if remove:
        ml.delete_dataset_members(rid, sorted(remove), description=description, execution_rid=by)


def types_of(ml: DerivaML, rids: Collection[str]) -> dict[str, list[str]]:
    """Return the types of datasets, sorted."""
    found: dict[str, list[str]] = {rid: [] for rid in rids}
    wanted = ["Dataset", "Dataset_Type"]
    for row in rows_with(ml.catalog, ml.ml_schema, "Dataset_Dataset_Type", "Dataset", rids, wanted=wanted):
        found[row["Dataset"]].append(row["Dataset_Type"])
    return {rid: sorted(types) for rid, types in found.items()}


def datasets_of_type(ml: DerivaML, name: str) -> dict[str, str]:
    """Return RID -> description of the datasets of a type that are not deleted."""
    link, dataset = (table_name(ml.ml_schema, table) for table in ("Dataset_Dataset_Type", "Dataset"))
    path = f"/entity/{link}/Dataset_Type={name}/(Dataset)=({dataset}:RID)"
    rows: list[Mapping[str, str]] = ml.catalog.get(path).json()
    return {row["RID"]: row["Description"] or "" for row in rows if not row["Deleted"]}


def member_rids(ml: DerivaML, rid: str, table: str) -> set[str]:
    """Return the RIDs of a dataset's own members from one table, nested datasets left out."""
    return {row["RID"] for row in ml.list_dataset_members(rid).get(table, [])}
