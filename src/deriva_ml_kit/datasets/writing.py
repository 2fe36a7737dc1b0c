"""Datasets made and filled inside an execution; each step ends with a released version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from deriva_ml_kit.mainline import Dataset, DerivaML, Execution, VersionPart
from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.mainline.dataset.periods import developable
from deriva_ml_kit.mainline.dataset.types import types_of

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


def prepare(ml: DerivaML, types: Iterable[str]) -> None:
    """Make sure that datasets of these types can be made and released; adds types of ours that the catalog lacks.

    Raises:
        DerivaMLConfigurationError: The catalog has no place for changes between versions; says how it gets one.
        DerivaMLInvalidTerm: A type is neither in the catalog nor one of ours.
    """
    developable(ml)
    for name in dict.fromkeys(types):
        if name in TYPES:
            ml.add_term("Dataset_Type", name, description=TYPES[name], exists_ok=True)
        else:
            ml.lookup_term("Dataset_Type", name)


def fill(
    execution: Execution,
    dataset: Dataset,
    table: str,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    description: str,
) -> None:
    """Change the members of a dataset and release a version; what an earlier run left unreleased is released too."""
    by = str(execution.execution_rid)
    if add:
        dataset.add_dataset_members({table: sorted(add)}, validate=False, description=description, execution_rid=by)
    if remove:
        dataset.delete_dataset_members(sorted(remove), description=description, execution_rid=by)
    if not is_released(dataset):
        dataset.release(VersionPart.minor, description, execution)


def make(
    execution: Execution,
    table: str,
    members: Collection[str],
    types: Sequence[str],
    description: str,
    *,
    version: str | None = None,
    begun: Dataset | None = None,
) -> Dataset:
    """Make a dataset with members, and release it.

    Args:
        execution: Does it.
        table: Table of the members.
        members: Their RIDs.
        types: Types of the dataset.
        description: Of the dataset.
        version: Describes the version, where that will not do.
        begun: A dataset that an interrupted run has begun: it is completed instead.
    """
    made: Dataset = begun or execution.create_dataset(dataset_types=list(types), description=description)
    there = set(made.list_members(table)) if begun else set()
    fill(execution, made, table, add=set(members) - there, description=version or description)
    return made


def begun_dataset(
    ml: DerivaML, table: str, members: Collection[str], types: Sequence[str], description: str
) -> Dataset | None:
    """Find what an interrupted run left: same types and words, part of no dataset, and no members but these."""
    rids = [rid for rid, words in datasets_of_type(ml, types[0]).items() if words == description]
    for rid, terms in types_of(ml, rids).items():
        dataset = ml.lookup_dataset(rid)
        alone = set(terms) == set(types) and not dataset.list_dataset_parents()
        if alone and set(dataset.list_members(table)) <= set(members):
            return dataset
    return None


def is_released(dataset: Dataset) -> bool:
    """Whether nothing was changed since the newest version."""
    return ".dev" not in str(dataset.current_version)


def datasets_of_type(ml: DerivaML, name: str) -> dict[str, str]:
    """Return RID -> description of the datasets of a type that are not deleted."""
    link, dataset = (table_name(ml.ml_schema, table) for table in ("Dataset_Dataset_Type", "Dataset"))
    path = f"/entity/{link}/Dataset_Type={name}/(Dataset)=({dataset}:RID)"
    rows: list[Mapping[str, str]] = ml.catalog.get(path).json()
    return {row["RID"]: row["Description"] or "" for row in rows if not row["Deleted"]}
