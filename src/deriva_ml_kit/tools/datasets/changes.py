"""Making, filling and releasing datasets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.datasets.members import Given, checked_members, write_members
from deriva_ml_kit.tools.datasets.queries import kind_names, living_row, type_names
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.kinds import row_of
from deriva_ml_kit.tools.registry import Effect, also, tool
from deriva_ml_kit.tools.tables import table_of
from deriva_ml_kit.tools.types import DatasetRid, Description, DryRun, ExecutionRid, Name, Rid, Version
from deriva_ml_kit.tools.writing import recorded

MANAGEMENT = "Dataset_Management"

NewElement = Annotated[
    Name,
    Field(
        description="Table of the domain whose rows shall be members",
        validation_alias=also("table", "table_name", "element_table"),
    ),
]
Types = Annotated[
    list[Name],
    Field(
        description="Terms of Dataset_Type, such as Training",
        validation_alias=also("dataset_types", "dataset_type", "types"),
    ),
]
Why = Annotated[Description, Field(min_length=1)]
By = Annotated[
    ExecutionRid | None, Field(description="An execution that there is, to be named as its origin instead of a new one")
]


class Changed(Answer):
    """What was written, or would be.

    Attributes:
        dry_run: Whether nothing was written.
        execution_rid: Execution that wrote it.
    """

    dry_run: bool
    execution_rid: str | None = None

    def done(self, status: str, execution_rid: str, **fields: Any) -> Self:
        """The same, after it was written."""
        told = {"status": status, "dry_run": False, "execution_rid": execution_rid}
        return self.model_copy(update=told | fields)


class ElementTypeAdded(Changed):
    """A table whose rows can be members now."""

    status: Literal["added", "would_add", "exists"]
    table: str
    links: str = Field(description="Table that links datasets with these rows")


class DatasetCreated(Changed):
    """A new dataset."""

    status: Literal["created", "would_create"]
    dataset_rid: str | None
    description: str
    dataset_types: list[str]
    version: str


class MembersAdded(Changed):
    """Members that a dataset has in addition."""

    status: Literal["added", "would_add", "unchanged"]
    dataset_rid: str
    added: int = Field(description="How many were added, or would be")
    added_by_table: dict[str, int]
    already_members: int = Field(description="How many were members before, and were left out")
    current_version: str


class MarkedDev(Changed):
    """A dataset in development."""

    status: Literal["in_development", "would_mark"]
    dataset_rid: str
    previous_version: str
    current_version: str
    description: str


class Released(Changed):
    """A version of a dataset that runs can use."""

    status: Literal["released", "would_release"]
    dataset_rid: str
    previous_version: str
    new_version: str
    bump: str
    description: str
    pin: str = Field(description="RID@VERSION, for configurations")


@tool("Let rows of a table be members", Effect.WRITE, idempotent=True)
def deriva_ml_add_dataset_element_type(call: Call, *, table: NewElement, dry_run: DryRun = False) -> ElementTypeAdded:
    """Let rows of a table be members of datasets, by a table that links both. Once for each table, before members are
    added; where they can be already, nothing is written.
    """
    from deriva_ml_kit.mainline.catalog.paths import domain_schemas  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.elements import element_types  # noqa: PLC0415

    ml = call.ml
    found = table_of(ml, table)
    for kind in element_types(ml):
        if kind.table is found:
            return ElementTypeAdded(status="exists", table=found.name, links=kind.links.name, dry_run=dry_run)
    domain = sorted(domain_schemas(ml.model))
    if found.schema.name not in domain:
        raise ToolError(
            Code.BAD_ARGUMENT,
            f"{found.schema.name}:{found.name} is no table of the domain, so its rows cannot be members.",
            remedy="deriva_ml_list_dataset_element_types names the tables that can be added.",
            candidates=sorted(name for schema in domain for name in ml.model.model.schemas[schema].tables)[:12],
        )
    answer = ElementTypeAdded(status="would_add", table=found.name, links=f"Dataset_{found.name}", dry_run=True)
    if dry_run:
        return answer
    with recorded(call, f"Let rows of {found.name} be members of datasets", MANAGEMENT) as writes:
        made = ml.add_dataset_element_type(found)
        writes.made("table", made.schema.name, made.name)
    following = call.example("deriva_ml_add_dataset_members", dataset_rid="…", member_rids=["…"])
    return answer.done("added", writes.rid, links=made.name, next_step=following)


@tool("Make a dataset", Effect.WRITE)
def deriva_ml_create_dataset(
    call: Call,
    *,
    description: Why,
    dataset_types: Types = [],  # noqa: B006  (never changed)
    version: Annotated[Version | None, Field(description="Its first version; 0.1.0 where not given")] = None,
    execution_rid: By = None,
    dry_run: DryRun = False,
) -> DatasetCreated:
    """Make a dataset without members, of some types, with its first version. Then add members and release a version."""
    from deriva_ml_kit.mainline import DerivaMLValidationError  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.creating import FIRST, create  # noqa: PLC0415
    from deriva_ml_kit.mainline.dataset.versions import own  # noqa: PLC0415

    types = type_names(call, dataset_types)
    first = own(version) if version else FIRST
    if first.is_devrelease:
        raise DerivaMLValidationError(f"A dataset cannot begin with {first}, a state in development.")
    if execution_rid:
        row_of(call, "Execution", execution_rid)
    answer = DatasetCreated(
        status="would_create",
        dry_run=True,
        dataset_rid=None,
        description=description,
        dataset_types=types,
        version=str(first),
        execution_rid=execution_rid,
    )
    if dry_run:
        return answer
    with _by(call, execution_rid, f"Make a dataset: {description}") as origin:
        rid = create(call.ml, origin, types, description, first)
    following = call.example("deriva_ml_add_dataset_members", dataset_rid=rid, member_rids=["…"])
    return answer.done("created", origin, dataset_rid=rid, next_step=following)


@tool("Add members to a dataset", Effect.WRITE, idempotent=True, seconds=600)
def deriva_ml_add_dataset_members(
    call: Call,
    *,
    dataset_rid: DatasetRid,
    member_rids: Annotated[list[Rid] | None, Field(description="RIDs of rows, whichever their tables")] = None,
    members_by_table: Annotated[
        dict[Name, list[Rid]] | list[Rid] | None,
        Field(
            description="The same by table, which is checked: {table: [RID, …]}",
            validation_alias=also("members_by_table", "members"),
        ),
    ] = None,
    description: Annotated[Description, Field(description="What is added and why")] = "",
    dry_run: DryRun = False,
) -> MembersAdded:
    """Add rows to a dataset, after all of them were checked; those that are members already are left out and counted.
    The dataset is then in development: release it with deriva_ml_release_dataset when all changes are made.
    """
    from deriva_ml_kit.mainline.dataset.periods import developable, versions_of  # noqa: PLC0415  (takes seconds)

    if (member_rids is None) == (members_by_table is None):
        raise ToolError(
            Code.BAD_ARGUMENT,
            "Members are given either as member_rids or as members_by_table.",
            remedy='member_rids=["1-2A3B", …], or members_by_table={"Image": ["1-2A3B", …]}',
        )
    ml = call.ml
    living_row(call, dataset_rid)
    developable(ml)
    given: Given = member_rids if member_rids is not None else members_by_table or []
    links, already = checked_members(call, dataset_rid, given)
    names = kind_names([*links.values])
    counts = {names[kind]: len(values) for kind, values in links.values.items() if values}
    answer = MembersAdded(
        status="would_add" if links else "unchanged",
        dry_run=dry_run,
        dataset_rid=dataset_rid,
        added=sum(counts.values()),
        added_by_table=counts,
        already_members=already,
        current_version=str(versions_of(ml, dataset_rid).current),
    )
    if not links or dry_run:
        return answer
    what = description or f"Added {', '.join(f'{number} of {table}' for table, number in counts.items())}"
    with recorded(call, f"Add members to dataset {dataset_rid}: {what}", MANAGEMENT) as writes:
        now = write_members(call, writes, links, what)
    return answer.done("added", writes.rid, current_version=str(now), next_step=_release(call, dataset_rid, what))


@tool("Say that a dataset's content has changed", Effect.WRITE)
def deriva_ml_mark_dev(call: Call, *, dataset_rid: DatasetRid, description: Why, dry_run: DryRun = False) -> MarkedDev:
    """Say that a dataset's content has changed though its members have not, such as by new feature values or corrected
    rows, which nothing notices by itself. Its version becomes X.Y.Z.post1.devN; then call deriva_ml_release_dataset.
    """
    from deriva_ml_kit.mainline.dataset.periods import develop, developable, versions_of  # noqa: PLC0415  (takes seconds)

    ml = call.ml
    living_row(call, dataset_rid)
    developable(ml)
    found = versions_of(ml, dataset_rid)
    before = found.current
    answer = MarkedDev(
        status="would_mark",
        dry_run=True,
        dataset_rid=dataset_rid,
        previous_version=str(before),
        current_version=str(found.newest.in_development(1 + (before.dev or 0))),
        description=description,
    )
    if dry_run:
        return answer
    with recorded(call, f"Dataset {dataset_rid} has changed: {description}", MANAGEMENT) as writes:
        now = develop(ml, dataset_rid, description, writes.rid)
    following = _release(call, dataset_rid, description)
    return answer.done("in_development", writes.rid, current_version=str(now), next_step=following)


@tool("Release a dataset", Effect.WRITE)
def deriva_ml_release_dataset(
    call: Call,
    *,
    dataset_rid: DatasetRid,
    bump: Annotated[
        Literal["patch", "minor", "major"],
        Field(description="Which part of the version advances: patch for corrections, minor for additions"),
    ] = "minor",
    description: Annotated[
        Description, Field(description="What the version is about; what was said in development where not given")
    ] = "",
    execution_rid: By = None,
    dry_run: DryRun = False,
) -> Released:
    """Make what was changed in a dataset since its newest version a version that runs can name and read again. Members
    that were added count as changes; of new feature values say so first, with deriva_ml_mark_dev.
    """
    from deriva_ml_kit.mainline.dataset import periods  # noqa: PLC0415  (takes seconds)

    ml = call.ml
    living_row(call, dataset_rid)
    if execution_rid:
        row_of(call, "Execution", execution_rid)
    periods.developable(ml)
    found = periods.versions_of(ml, dataset_rid)
    if not found.development and not found.unfinished:
        mark = call.example("deriva_ml_mark_dev", dataset_rid=dataset_rid, description="what changed")
        raise ToolError(
            Code.CONFLICT,
            f"Dataset {dataset_rid} did not change since version {found.newest}, so there is nothing to release.",
            remedy=f"If values of features, or rows that its members refer to, have changed, say so first: {mark}",
            candidates=[f"{dataset_rid}@{found.newest}"],
        )
    new = found.newest.next_release(bump) if found.development else found.newest
    if found.claimed and found.claimed != new:
        raise ToolError(
            Code.CONFLICT,
            f"A release of dataset {dataset_rid} as {found.claimed} has begun and is not finished, "
            f"so it cannot be {new}.",
            remedy=f"Choose the bump that gives {found.claimed}.",
        )
    about = description or (found.period and found.period["Description"]) or f"Version {new}"
    answer = Released(
        status="would_release",
        dry_run=True,
        dataset_rid=dataset_rid,
        previous_version=str(found.newest),
        new_version=str(new),
        bump=bump,
        description=about,
        pin=f"{dataset_rid}@{new}",
        execution_rid=execution_rid,
    )
    if dry_run:
        return answer
    with _by(call, execution_rid, f"Release dataset {dataset_rid} as {new}: {about}") as origin:
        made = periods.release(ml, dataset_rid, bump, about, origin)
    following = call.example("deriva_ml_bag_info", dataset_rid=dataset_rid, version=str(made))
    return answer.done("released", origin, new_version=str(made), pin=f"{dataset_rid}@{made}", next_step=following)


def _release(call: Call, rid: str, what: str) -> str:
    return call.example("deriva_ml_release_dataset", dataset_rid=rid, bump="minor", description=what[:200])


@contextmanager
def _by(call: Call, execution_rid: str | None, what: str) -> Iterator[str]:
    """RID of the execution that a change names: one that there is, or a new one."""
    if execution_rid:
        yield execution_rid
        return
    with recorded(call, what, MANAGEMENT) as writes:
        yield writes.rid
