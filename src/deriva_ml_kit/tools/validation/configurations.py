"""Configurations of executions as people have them, read without asking a catalog.

    {"datasets": [{"rid": "1-2A3B", "version": "0.2.0"}, "1-2A3C@1.0.0"], "assets": ["1-2A3D"], "workflow": "1-2A3E"}
    {"datasets": {"training": {"rid": "1-2A3B", "version": "0.2.0"}}, "model_config": {…}, …}      as Hydra composes it

In: the document. Out: what it names, each with its place, and everything that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.types import RID_PATTERN

# Fields of an ExecutionConfiguration, and what a configuration of deriva-ml-run has besides.
EXECUTION = ("datasets", "assets", "workflow", "description", "argv", "config_choices")
RUN = (
    "deriva_ml",
    "model_config",
    "script_config",
    "dry_run",
    "ml_class",
    "tier",
    "override_tier",
    "parent_execution",
    "sequence",
    "swept",
    "experiment",
    "defaults",
    "hydra",
)
DATASET = (
    "rid",
    "version",
    "materialize",
    "description",
    "exclude_tables",
    "timeout",
    "fetch_concurrency",
    "reachability_concurrency",
)
ASSET = ("rid", "cache", "asset_role")
WORKFLOW = (
    "name",
    "workflow_type",
    "type",
    "types",
    "description",
    "url",
    "version",
    "rid",
    "workflow_rid",
    "checksum",
    "is_notebook",
    "git_root",
    "allow_dirty",
    "dirty_paths",
)
UNSET = (None, "", "???")  # the last is Hydra's


class Problem(BaseModel):
    """Something about a configuration."""

    place: str = Field(description="Where, such as datasets.training.rid")
    reason: str = Field(description="A word for programs, such as version_not_found")
    message: str
    remedy: str | None = None
    candidates: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Input:
    """A dataset or an asset that a configuration names.

    Attributes:
        place: Where, such as `datasets.training` or `assets[0]`.
        rid: Its RID, which looks like one.
        role: The part that it plays, if that is said.
        version: The version of a dataset as it is written; None if there is none.
    """

    place: str
    rid: str
    role: str | None = None
    version: Any = None


@dataclass
class Configuration:
    """What a configuration names.

    Attributes:
        datasets: Datasets.
        assets: Assets.
        workflow: RID, another text, or the fields of a workflow; None if there is none.
        problems: What cannot be read, or is not known.
        warnings: What was not looked at.
    """

    datasets: list[Input] = field(default_factory=list)
    assets: list[Input] = field(default_factory=list)
    workflow: str | Mapping[str, Any] | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def read(document: Mapping[str, Any]) -> Configuration:
    """Everything that a configuration names, in whichever of the forms that people write."""
    found = Configuration()
    for key in _keys(document):
        if key not in (*EXECUTION, *RUN):
            _unknown(found, key, key, (*EXECUTION, *RUN))
    for place, role, given in _each("datasets", document.get("datasets"), DATASET):
        found.datasets += _input(found, place, role, given, DATASET)
    for place, role, given in _each("assets", document.get("assets"), ASSET):
        found.assets += _input(found, place, role, given, ASSET)
    workflow = document.get("workflow")
    if isinstance(workflow, Mapping):
        for key in _keys(workflow):
            if key not in WORKFLOW:
                _unknown(found, f"workflow.{key}", key, WORKFLOW)
    if isinstance(workflow, str | Mapping) or workflow is None:
        found.workflow = None if workflow in UNSET else workflow
    else:
        found.problems.append(_unreadable("workflow", workflow, "a RID, or an object with name and workflow_type"))
    return found


def version_of(given: Any) -> tuple[Any | None, Literal["", "version_missing", "version_unreadable"]]:
    """The version that a text, an object or three numbers stand for, and what is wrong with it."""
    from deriva_ml_kit.mainline.dataset.versions import own  # noqa: PLC0415  (takes seconds)

    if given is None or given in UNSET[1:]:
        return None, "version_missing"
    try:
        return own(given), ""
    except (TypeError, ValueError, OverflowError):
        return None, "version_unreadable"


def _each(place: str, given: Any, fields: tuple[str, ...]) -> Iterator[tuple[str, str | None, Any]]:
    """The single inputs of a list, of a mapping from roles, or of one input that stands for a list."""
    if given in UNSET:
        return
    if isinstance(given, Mapping) and "items" in given and "rid" not in given:
        given = given["items"]  # a list with a description, as a Hydra configuration stores it
    if isinstance(given, list | tuple):
        yield from ((f"{place}[{number}]", None, each) for number, each in enumerate(given))
    elif isinstance(given, Mapping) and not set(given) & set(fields[:2]):
        yield from ((f"{place}.{role}", role, given[role]) for role in _keys(given))
    else:
        yield place, None, given


def _input(found: Configuration, place: str, role: str | None, given: Any, fields: tuple[str, ...]) -> Iterator[Input]:
    form = '"RID@VERSION", or {"rid": …, "version": …}' if "version" in fields else 'a RID, or {"rid": …}'
    rid: Any
    version: Any = None
    if isinstance(given, str):
        rid, at, text = given.strip().partition("@")
        version = text if at else None
    elif isinstance(given, Mapping):
        for key in _keys(given):
            if key not in fields:
                _unknown(found, f"{place}.{key}", key, fields, strict=True)
        rid, version = given.get("rid"), given.get("version")
    else:
        found.problems.append(_unreadable(place, given, form))
        return
    if rid in UNSET:
        found.problems.append(
            Problem(
                place=place if isinstance(given, str) else f"{place}.rid",
                reason="rid_missing",
                message="No RID is given.",
                remedy=f"Write {form}.",
            )
        )
    elif not isinstance(rid, str) or not RID_PATTERN.fullmatch(rid):
        found.problems.append(_unreadable(place, rid, form))
    elif version is not None and "version" not in fields:
        found.problems.append(_unreadable(place, given, form))
    else:
        yield Input(place, rid, role, version)


def _keys(document: Mapping[Any, Any]) -> list[str]:
    """Keys without those by which Hydra says what to make of a node."""
    names = [str(key) for key in document]
    return [name for name in names if not (name.startswith("_") and name.endswith("_"))]


def _unknown(found: Configuration, place: str, key: str, known: tuple[str, ...], *, strict: bool = False) -> None:
    """Report a key: one that looks mistyped would be passed over in silence; others may be the person's own."""
    near = nearest(key, known)
    problem = Problem(
        place=place,
        reason="unknown_key",
        message=f"There is no field {key!r}." if near or strict else f"{key!r} is no field of a run; not looked at.",
        remedy=None if near else f"Known: {', '.join(known)}.",
        candidates=near,
    )
    (found.problems if near or strict else found.warnings).append(problem)


def _unreadable(place: str, given: Any, form: str) -> Problem:
    shown = repr(given)
    shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
    return Problem(
        place=place,
        reason="unreadable",
        message=f"{shown} names nothing that can be an input.",
        remedy=f"Write {form}.",
    )
