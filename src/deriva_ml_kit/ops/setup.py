"""What a catalog needs before models can be brought into production from it: terms, and the feature of stages.

The feature `Model_Stage` of `Execution_Asset` holds one row for each step of a model's life; rows are added and never
changed. `(Model_Name, Sequence)` is a key: of two programs that add the step after the same one, one succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from deriva.core.ermrest_model import Column, Key, builtin_types

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import said
from deriva_ml_kit.mainline.workflow.installed import installed_program
from deriva_ml_kit.ops.kinds import MODELS, STAGES, TERMS, WorkflowType
from deriva_ml_kit.ops.writes import TYPES, Writes

COLUMNS = [
    Column.define("Model_Name", builtin_types.text, nullok=False, comment="Name that models replace each other under"),
    Column.define("Sequence", builtin_types.int8, nullok=False, comment="1, 2, 3, … within a name"),
    Column.define("MD5", builtin_types.text, nullok=False, comment="Checksum of the model's file at that time"),
    Column.define("Training", builtin_types.text, comment="RID of the execution that the model is an output of"),
    Column.define("Reason", builtin_types.text, nullok=False, comment="Why"),
    Column.define("Approved_By", builtin_types.text, comment="The person who approved it"),
    Column.define("Forced", builtin_types.text, comment="What was missing, and why it was done nevertheless"),
    Column.define("Evidence", builtin_types.text, comment="RID of the file that it was decided on"),
]
KEY = ("Model_Name", "Sequence")
REFUSED = {400, 403, 409}  # of a key that the catalog does not take


@dataclass(frozen=True)
class Setup:
    """What was, or would be, added.

    Attributes:
        added: In words; empty where nothing was missing.
        execution_rid: The execution that names the rows and tables in `writes.jsonl`; None where nothing was written.
        warning: What the catalog refused, and what that means.
    """

    added: list[str]
    execution_rid: str | None = None
    warning: str | None = None


@dataclass(frozen=True)
class _Step:
    what: str
    make: Callable[[Writes], None]


class KeyRefused(Exception):
    """The catalog does not take the key."""


def setup(ml: DerivaML, *, dry_run: bool = False) -> Setup:
    """Add what is missing, inside an execution that names it; what is there stays.

    Raises:
        requests.HTTPError: The catalog refused something else than the key; the same call again does the rest.
    """
    steps = list(_missing(ml))
    if dry_run or not steps:
        return Setup([step.what for step in steps])
    workflow = installed_program(
        ml,
        "Prepare a catalog for operations",
        str(WorkflowType.MANAGEMENT),
        "Adds terms, and the feature of stages",
        module=__name__,
    )
    execution = ml.create_execution(workflow=workflow, description="Prepare the catalog for operations")
    known = {term.name for term in ml.list_vocabulary_terms("Asset_Type")}
    writes = Writes(execution, next(term for term in TYPES if term in known))
    try:
        with execution:
            added, warning = _made(steps, writes)
    except BaseException as error:
        ended, reason = execution.status, execution.error
        if writes.anything:  # what was made is named all the same
            writes.failed(said(error))
            execution.commit_output_assets()
            execution.update_status(ended, error=reason)
        raise
    execution.commit_output_assets()
    return Setup(added, writes.rid, warning)


def _made(steps: Sequence[_Step], writes: Writes) -> tuple[list[str], str | None]:
    """What was added, and what to say of a key that was refused."""
    added: list[str] = []
    warning = None
    for step in steps:
        try:
            step.make(writes)
            added.append(step.what)
        except KeyRefused as refused:
            warning = f"The catalog refused the {step.what} ({refused}): races are found after the fact."
    return added, warning


def require(ml: DerivaML) -> None:
    """Refuse a catalog that was not set up.

    Raises:
        UsageError: Something is missing.
    """
    known = {term.name for term in ml.list_vocabulary_terms("Asset_Type")}
    if not known.issuperset(TERMS["Asset_Type"]) or not _has_feature(ml):
        raise UsageError(
            f"Catalog {ml.catalog_id} on {ml.host_name} is not prepared for operations.",
            remedy="Prepare it once: uv run deriva-ml-ops setup",
        )


def _missing(ml: DerivaML) -> Iterator[_Step]:
    vocabularies = {table.name for table in ml.model.find_vocabularies()}
    for vocabulary, terms in TERMS.items():
        known: set[str] = set()
        if vocabulary in vocabularies:
            known = {term.name for term in ml.list_vocabulary_terms(vocabulary)}
        else:
            yield _Step(f"vocabulary {vocabulary}", _vocabulary(ml, vocabulary))
        for name, meaning in terms.items():
            if name not in known:
                yield _Step(f"term {vocabulary}:{name}", _term(ml, vocabulary, str(name), meaning))
    there: set[str] = set()
    if _has_feature(ml):
        table = ml.model.lookup_feature(MODELS, STAGES).feature_table
        there = set(table.columns.elements)
        if {frozenset(column.name for column in key.unique_columns) for key in table.keys} & {frozenset(KEY)}:
            there |= {"key"}
        for column in COLUMNS:
            if column["name"] not in there:
                yield _Step(f"column {column['name']} of feature {STAGES}", _column(ml, column))
    else:
        yield _Step(f"feature {STAGES} of {MODELS}", _feature(ml))
    if "key" not in there:
        yield _Step(f"key ({', '.join(KEY)}) of feature {STAGES}", _key(ml))


def _has_feature(ml: DerivaML) -> bool:
    return any(feature.feature_name == STAGES for feature in ml.model.find_features(MODELS))


def _vocabulary(ml: DerivaML, name: str) -> Callable[[Writes], None]:
    def make(writes: Writes) -> None:
        table = ml.create_vocabulary(name, "Where a model is in its life")
        writes.made("table", table.schema.name, table.name)

    return make


def _term(ml: DerivaML, vocabulary: str, name: str, meaning: str) -> Callable[[Writes], None]:
    def make(writes: Writes) -> None:
        term = ml.add_term(vocabulary, name, description=meaning)
        writes.rows(ml.model.name_to_table(vocabulary).schema.name, vocabulary, [term.rid])

    return make


def _feature(ml: DerivaML) -> Callable[[Writes], None]:
    def make(writes: Writes) -> None:
        optional = [column["name"] for column in COLUMNS if column["nullok"]]
        record = ml.create_feature(
            MODELS,
            STAGES,
            terms=[STAGES],
            metadata=COLUMNS,
            optional=optional,
            comment="Stages of models, one row a step; the last one of a model counts",
        )
        table = record.feature.feature_table
        writes.made("table", table.schema.name, table.name)
        writes.rows(ml.ml_schema, "Feature_Name", [ml.lookup_term("Feature_Name", STAGES).rid])

    return make


def _column(ml: DerivaML, column: dict[str, Any]) -> Callable[[Writes], None]:
    def make(writes: Writes) -> None:
        table = ml.model.lookup_feature(MODELS, STAGES).feature_table
        table.create_column(column)
        writes.made("column", table.schema.name, table.name, column["name"])

    return make


def _key(ml: DerivaML) -> Callable[[Writes], None]:
    def make(writes: Writes) -> None:
        table = ml.model.lookup_feature(MODELS, STAGES).feature_table
        name = f"{table.name}_{'_'.join(KEY)}_key"
        try:
            table.create_key(Key.define(list(KEY), constraint_name=name))
        except requests.HTTPError as error:
            if error.response.status_code not in REFUSED:
                raise
            raise KeyRefused(said(error)) from error
        writes.made("key", table.schema.name, table.name, name)

    return make
