"""Datasets split into training, testing and validation parts, and samples of them, with main line's names and results.

Three things are done otherwise than there: the draw depends on the records and the seed, not on the order in which the
server hands them out; `group_by` keeps together what belongs together (no Subject in two parts); and what is made has
released versions, the parent of a split last, so that a split that can be seen is complete. Asked for again, a split
that exists with the same parts is handed back instead of being made a second time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypedDict

from pydantic import BaseModel

from deriva_ml_kit.datasets.draw import Choice, PartitionBy, draw
from deriva_ml_kit.datasets.writing import begun_dataset, datasets_of_type, fill, is_released, make, prepare
from deriva_ml_kit.errors import Fault, UsageError
from deriva_ml_kit.mainline import Dataset, DerivaML, Execution
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.dataset.types import types_of
from deriva_ml_kit.sampling import CannotSample, Missing, SelectionFunction, part_sizes, random_split, stratified_split
from deriva_ml_kit.sampling.sizes import TESTING, TRAINING, VALIDATION, count_of

__all__ = [
    "PartitionInfo",
    "SelectionFunction",
    "SplitResult",
    "SubsampleResult",
    "random_split",
    "split_dataset",
    "stratified_split",
    "subsample",
]

PARENT, PART, SAMPLE = "Split", "Split_Partition", "Subsample"
DRY_RUN = "(dry run)"


class PartitionInfo(BaseModel):
    """A dataset that was made.

    Attributes:
        rid: Its RID; ``"(dry run)"`` if nothing was written.
        version: Its released version.
        count: How many records it holds; 0 for the parent of a split.
    """

    rid: str
    version: str
    count: int


class SplitResult(BaseModel):
    """What `split_dataset` made, or would make.

    Attributes:
        source: RID of the dataset that was split.
        split: The parent, of type ``Split``.
        training: Its child of type ``Training``.
        testing: Its child of type ``Testing``.
        validation: Its child of type ``Validation``, if one was asked for.
        strategy: How it was split, in words.
        element_table: Table of the records.
        seed: Of the draw.
        dry_run: Whether nothing was written.
    """

    source: str
    split: PartitionInfo
    training: PartitionInfo
    testing: PartitionInfo
    validation: PartitionInfo | None = None
    strategy: str
    element_table: str
    seed: int
    dry_run: bool = False


class SubsampleResult(BaseModel):
    """What `subsample` made, or would make.

    Attributes:
        source: RID of the dataset that was drawn from.
        subsample: The new dataset.
        strategy: How it was drawn, in words.
        element_table: Table of the records.
        seed: Of the draw.
        dry_run: Whether nothing was written.
    """

    source: str
    subsample: PartitionInfo
    strategy: str
    element_table: str
    seed: int
    dry_run: bool = False


def split_dataset(
    ml: DerivaML,
    source_dataset_rid: str,
    execution: Execution | None,
    *,
    test_size: float = 0.2,
    train_size: float | None = None,
    val_size: float | None = None,
    shuffle: bool = True,
    seed: int = 42,
    stratify_by_column: str | None = None,
    stratify_missing: Missing = "error",
    split_description: str = "",
    training_types: list[str] | None = None,
    testing_types: list[str] | None = None,
    validation_types: list[str] | None = None,
    element_table: str | None = None,
    include_tables: list[str] | None = None,
    selection_fn: SelectionFunction | None = None,
    dry_run: bool = False,
    row_per: str | None = None,
    via: list[str] | None = None,
    ignore_unrelated_anchors: bool = False,
    partition_by: PartitionBy | None = None,
    group_by: str | None = None,
    reuse: bool = True,
) -> SplitResult:
    """Split a dataset into a parent of type ``Split`` with children ``Training``, ``Testing`` and ``Validation``.

    The source becomes an input of the execution and the new datasets its outputs; the source itself is not changed.
    What was asked for is uploaded with the execution as ``split_config-<RID of the parent>.json``.

    Args:
        ml: The connection.
        source_dataset_rid: Dataset whose members are split, those of nested datasets included.
        execution: An open execution; only a dry run does without. In one that is a dry run nothing is written.
        test_size: Share as a float below 1, or count.
        train_size: The same; what the others leave when not given.
        val_size: The same; no validation part when not given.
        shuffle: False takes the records in the order of their RIDs, where nothing else decides.
        seed: Another seed makes another split.
        stratify_by_column: Column of the denormalised dataset whose values shall have like shares in all parts, such
            as ``Execution_Image_Diagnosis.Grade``; a record has one of them, or several that are equal.
        stratify_missing: What to do with records without such a value: ``"error"``, ``"drop"``, ``"include"``.
        split_description: Description of the parent.
        training_types: Further dataset types of the training part.
        testing_types: Further dataset types of the testing part.
        validation_types: Further dataset types of the validation part.
        element_table: Table of the records; found out where only one has members.
        include_tables: Tables of the denormalised dataset; needed with ``stratify_by_column`` and ``selection_fn``.
        selection_fn: A function that chooses the rows of each part instead.
        dry_run: Compute and report, write nothing.
        row_per: Table of which the denormalised dataset has a row each. If not given, ``element_table``, or
            the table that holds the labels, where that refers to the records.
        via: Tables that the denormalised dataset passes through.
        ignore_unrelated_anchors: Leave out members from tables without a way to the others.
        partition_by: ``"element"`` puts each record into one part; ``"row"`` splits rows, so that a record can be in
            several parts. Must be given where ``row_per`` differs from ``element_table``.
        group_by: Keep together what belongs together: a column of ``element_table``, or a table that it refers to,
            directly or over others, such as ``Subject``.
        reuse: Hand back a split with the same parts and types if there is one already, and complete what an interrupted
            run has begun; False makes another.

    Returns:
        The datasets with their released versions.

    Raises:
        CannotSample: Arguments, sizes or records that do not allow the split; lists all (a ValueError).
        DerivaMLException: There is no such dataset, table or type.
    """
    choice = Choice(
        seed=seed,
        stratify_by_column=stratify_by_column,
        stratify_missing=stratify_missing,
        selection_fn=selection_fn,
        element_table=element_table,
        include_tables=include_tables,
        row_per=row_per,
        via=via,
        ignore_unrelated_anchors=ignore_unrelated_anchors,
        partition_by=partition_by,
        group_by=group_by,
        shuffle=shuffle,
    )
    drawn = draw(ml, source_dataset_rid, choice, lambda total: part_sizes(total, test_size, train_size, val_size))
    facts = _Facts(source=source_dataset_rid, strategy=choice.strategy, element_table=drawn.table, seed=seed)
    by = _open(execution, dry_run)
    if by is None:
        infos = {
            name: PartitionInfo(rid=DRY_RUN, version=DRY_RUN, count=len(part)) for name, part in drawn.parts.items()
        }
        parent = PartitionInfo(rid=DRY_RUN, version=DRY_RUN, count=0)
        return _split_result(parent, infos, facts, dry_run=True)

    further = {TRAINING: training_types, TESTING: testing_types, VALIDATION: validation_types}
    types = {name: list(dict.fromkeys([name, PART, *(further[name] or [])])) for name in drawn.parts}
    prepare(ml, [PARENT, *(term for terms in types.values() for term in terms)])
    by.add_input_dataset(source_dataset_rid)
    made = _same_split(ml, drawn.table, drawn.parts, types) if reuse else None
    if made is None:
        about = f"{source_dataset_rid} ({choice.strategy}, seed {seed})"

        def made_or_completed(table: str, members: Collection[str], terms: list[str], words: str) -> Dataset:
            begun = begun_dataset(ml, table, members, terms, words) if reuse else None
            return make(by, table, members, terms, words, begun=begun)

        made = {
            name: made_or_completed(drawn.table, part, types[name], f"{name} part of {about}: {len(part)} records")
            for name, part in drawn.parts.items()
        }
        sizes = ", ".join(f"{name} {len(part)}" for name, part in drawn.parts.items())
        title = split_description or f"Split of {about}: {sizes}"
        made[PARENT] = made_or_completed("Dataset", [part.dataset_rid for part in made.values()], [PARENT], title)
        asked = {"test_size": test_size, "train_size": train_size, "val_size": val_size, "types": types}
        name = f"split_config-{made[PARENT].dataset_rid}.json"
        _note(by, name, source_dataset_rid, choice, {**asked, "parts": drawn.parts})
    elif not is_released(made[PARENT]):  # an interrupted run got as far as that
        fill(by, made[PARENT], "Dataset", description=made[PARENT].description)
    infos = {name: _info(made[name], len(part)) for name, part in drawn.parts.items()}
    return _split_result(_info(made[PARENT], 0), infos, facts)


def subsample(
    ml: DerivaML,
    source_dataset_rid: str,
    execution: Execution | None,
    *,
    size: float,
    seed: int = 42,
    stratify_by_column: str | None = None,
    stratify_missing: Missing = "error",
    element_table: str | None = None,
    include_tables: list[str] | None = None,
    via: list[str] | None = None,
    row_per: str | None = None,
    ignore_unrelated_anchors: bool = False,
    partition_by: PartitionBy | None = None,
    dataset_types: list[str] | None = None,
    description: str | None = None,
    dry_run: bool = False,
    group_by: str | None = None,
) -> SubsampleResult:
    """Make a dataset of type ``Subsample`` with some of another's members, at random or with its shares of classes.

    A sample in proportion has none of a class that is rare enough; where every class must be in,
    `deriva_ml_kit.datasets.dev` draws with quotas.

    Args:
        ml: The connection.
        source_dataset_rid: Dataset to draw from, nested ones included; becomes an input of the execution.
        execution: An open execution; only a dry run does without. In one that is a dry run nothing is written.
        size: Share as a float below 1, or count; fewer than there are.
        seed: Another seed makes another draw.
        stratify_by_column: As in `split_dataset`, like all that is not explained here.
        stratify_missing: What to do with records without such a value.
        element_table: Table of the records.
        include_tables: Tables of the denormalised dataset.
        via: Tables that it passes through.
        row_per: Table of which it has a row each.
        ignore_unrelated_anchors: Leave out members from tables without a way to the others.
        partition_by: Whether records or rows are drawn.
        dataset_types: Further types of the new dataset.
        description: Its description.
        dry_run: Compute and report, write nothing.
        group_by: Keep together what belongs together.

    Raises:
        CannotSample: Arguments, sizes or records that do not allow it; lists all (a ValueError).
        DerivaMLException: There is no such dataset, table or type.
    """
    if isinstance(size, bool) or not (0 < size < 1 if isinstance(size, float) else size >= 1):
        raise CannotSample([Fault(f"size must be a share between 0 and 1 or a count from 1 up, not {size!r}")])
    choice = Choice(
        seed=seed,
        stratify_by_column=stratify_by_column,
        stratify_missing=stratify_missing,
        element_table=element_table,
        include_tables=include_tables,
        row_per=row_per,
        via=via,
        ignore_unrelated_anchors=ignore_unrelated_anchors,
        partition_by=partition_by,
        group_by=group_by,
    )
    drawn = draw(ml, source_dataset_rid, choice, lambda total: _sample_size(total, size))
    facts = _Facts(source=source_dataset_rid, strategy=choice.strategy, element_table=drawn.table, seed=seed)
    rids = drawn.parts[SAMPLE]
    by = _open(execution, dry_run)
    if by is None:
        would = PartitionInfo(rid=DRY_RUN, version=DRY_RUN, count=len(rids))
        return SubsampleResult(subsample=would, dry_run=True, **facts)
    types = list(dict.fromkeys([SAMPLE, *(dataset_types or [])]))
    prepare(ml, types)
    by.add_input_dataset(source_dataset_rid)
    about = f"{source_dataset_rid} ({choice.strategy}, {len(rids)} records, seed {seed})"
    made = make(by, drawn.table, rids, types, description or f"Subsample of {about}")
    name = f"subsample_config-{made.dataset_rid}.json"
    _note(by, name, source_dataset_rid, choice, {"size": size, "types": types, "parts": rids})
    return SubsampleResult(subsample=_info(made, len(rids)), **facts)


class _Facts(TypedDict):
    source: str
    strategy: str
    element_table: str
    seed: int


def _open(execution: Execution | None, dry_run: bool) -> Execution | None:
    """Return the execution to write in; None if nothing shall be written."""
    if dry_run or getattr(execution, "_dry_run", False):
        return None
    if execution is None:
        raise UsageError("Datasets are made inside an execution.", remedy="Give one, or dry_run=True.")
    return execution


def _sample_size(total: int, size: float) -> dict[str, int]:
    count = count_of(total, size)
    if not 0 < count < total:
        raise CannotSample(
            [Fault(f"{count} of {total} records is no sample", remedy="give a size from 1 up and below")]
        )
    return {SAMPLE: count}


def _info(dataset: Dataset, count: int) -> PartitionInfo:
    return PartitionInfo(rid=dataset.dataset_rid, version=str(dataset.current_version), count=count)


def _split_result(
    parent: PartitionInfo, parts: Mapping[str, PartitionInfo], facts: _Facts, *, dry_run: bool = False
) -> SplitResult:
    return SplitResult(
        split=parent,
        training=parts[TRAINING],
        testing=parts[TESTING],
        validation=parts.get(VALIDATION),
        dry_run=dry_run,
        **facts,
    )


def _note(execution: Execution, name: str, source: str, choice: Choice, further: Mapping[str, Any]) -> None:
    """Let the execution upload what was asked for."""
    function = getattr(choice.selection_fn, "__qualname__", choice.selection_fn and repr(choice.selection_fn))
    plain = {key: value for key, value in vars(choice).items() if key != "selection_fn"}
    document = {"source_dataset_rid": source, **plain, "selection_fn": function, **further}
    path = execution.asset_file_path("Execution_Metadata", name, "Execution_Config")
    Path(path).write_text(json.dumps(document, indent=1), encoding="utf-8")


def _same_split(
    ml: DerivaML, table: str, parts: Mapping[str, Collection[str]], types: Mapping[str, list[str]]
) -> dict[str, Dataset] | None:
    """Return the datasets of a split with these parts and types, the parts at released versions, if there is one."""
    wanted = {tuple(sorted(terms)): name for name, terms in types.items()}
    children: dict[str, list[str]] = {}
    parents = datasets_of_type(ml, PARENT)
    links = rows_with(
        ml.catalog, ml.ml_schema, "Dataset_Dataset", "Dataset", parents, wanted=["Dataset", "Nested_Dataset"]
    )
    for row in links:
        children.setdefault(row["Dataset"], []).append(row["Nested_Dataset"])
    terms = types_of(ml, [rid for rids in children.values() for rid in rids])
    for parent in sorted(children):
        found = {wanted.get(tuple(sorted(terms[rid]))): rid for rid in children[parent]}
        if len(children[parent]) != len(parts) or set(found) != set(parts):
            continue
        datasets = {name: ml.lookup_dataset(found[name]) for name in sorted(parts, key=lambda name: len(parts[name]))}
        alike = all(set(datasets[name].list_members(table)) == set(parts[name]) for name in datasets)
        if alike and all(is_released(dataset) for dataset in datasets.values()):
            return {**datasets, PARENT: ml.lookup_dataset(parent)}
    return None
