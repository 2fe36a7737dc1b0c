"""The tools by name. A function's signature becomes the model of its arguments, its docstring the tool's description.

    @tool("Describe a feature", Effect.READ)
    def deriva_ml_get_feature(call: Call, target_table: TargetTable, feature_name: FeatureName) -> FeatureAnswer:
        ...

Tools that work on a catalog take `hostname` and `catalog_id` beside what the function names; where they are left out,
the project's `src/configs/catalog.json` says which catalog is meant.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call

# Every module that holds tools, in the order in which they are listed.
MODULES = (
    "project",
    "local_catalog",
    "schema",
    "vocabularies",
    "rows",
    "provenance",
    "search",
    "features",
    "datasets",
    "datasets.changes",
    "bags",
    "denormalize",
    "validation",
    "executions",
    "assets",
)
SECONDS = 50.0  # clients often give up after 60, and tell their agents less


class Effect(StrEnum):
    """What a tool does to the world."""

    READ = "reads"
    WRITE = "writes"  # adds; running it again adds nothing, or more of the same
    DESTROY = "changes what is there"


class Arguments(BaseModel):
    """Arguments of a tool; numbers are taken where text is wanted, and as text where a number is."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        coerce_numbers_to_str=True,
        validate_by_name=True,
        defer_build=True,  # few tools are called in one run
    )


Hostname = Annotated[
    Annotated[str, Field(max_length=300)] | None,
    Field(description="DERIVA host, such as data.example.org; the project's own where not given"),
]
CatalogId = Annotated[
    Annotated[str, Field(max_length=100)] | None,
    Field(description="Catalog on that host, such as 1; the project's own if not given"),
]


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        name: Name by which it is called.
        title: What it does, in a few words.
        effect: Whether it reads, adds, or changes what is there.
        function: The work: takes a Call and the arguments by name.
        arguments: Model of its arguments.
        answer: Model of its answer.
        catalog: Whether it works on a catalog, and so takes `hostname` and `catalog_id`.
        idempotent: Whether running it again with the same arguments changes nothing more.
        seconds: After how long it is given up.
    """

    name: str
    title: str
    effect: Effect
    function: Callable[..., Answer]
    arguments: type[Arguments]
    answer: type[Answer]
    catalog: bool
    idempotent: bool
    seconds: float

    @property
    def description(self) -> str:
        """What it does and when to call it; the function's docstring without its sections."""
        text = inspect.cleandoc(self.function.__doc__ or "")
        return re.split(r"\n\n(?:Args|Raises|Returns):\n", text)[0]

    @functools.cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments. Null is taken where an argument may be left out; the schema does not say so."""
        schema: dict[str, Any] = _without_null(_plain(self.arguments.model_json_schema()))
        return schema

    @functools.cached_property
    def output_schema(self) -> dict[str, Any]:
        """JSON Schema of its answer."""
        return _plain(self.answer.model_json_schema(mode="serialization"))


F = TypeVar("F", bound=Callable[..., Answer])
_TOOLS: dict[str, Tool] = {}


def tool(
    title: str, effect: Effect, *, catalog: bool = True, idempotent: bool | None = None, seconds: float = SECONDS
) -> Callable[[F], F]:
    """Make a function a tool; see the module.

    Args:
        title: What it does, in a few words.
        effect: Whether it reads, adds, or changes what is there; what writes to a catalog takes `dry_run`.
        catalog: Whether it works on a catalog.
        idempotent: Whether running it again changes nothing more; reading never does.
        seconds: After how long it is given up.
    """

    def register(function: F) -> F:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        fields: dict[str, Any] = {"hostname": (Hostname, None), "catalog_id": (CatalogId, None)} if catalog else {}
        for each in parameters:
            hint = _lifted(hints[each.name])
            fields[each.name] = (hint, ... if each.default is each.empty else each.default)
        name = function.__name__
        if effect is not Effect.READ and catalog and "dry_run" not in fields:
            raise TypeError(f"{name} writes to a catalog and has no dry_run")
        if name in _TOOLS and _TOOLS[name].function.__module__ != function.__module__:
            raise TypeError(f"there are two tools called {name}")
        camel = "".join(part.capitalize() for part in name.split("_"))
        _TOOLS[name] = Tool(
            name=name,
            title=title,
            effect=effect,
            function=function,
            arguments=create_model(f"{camel}Arguments", __base__=Arguments, **fields),
            answer=hints["return"],
            catalog=catalog,
            idempotent=effect is Effect.READ if idempotent is None else idempotent,
            seconds=seconds,
        )
        return function

    return register


@functools.cache
def tools() -> Mapping[str, Tool]:
    """All tools by name, in the order in which they are listed."""
    for module in MODULES:
        importlib.import_module(f"deriva_ml_kit.tools.{module}")
    place = {f"deriva_ml_kit.tools.{module}": n for n, module in enumerate(MODULES)}
    return dict(sorted(_TOOLS.items(), key=lambda item: place.get(item[1].function.__module__, len(place))))


def names_of(name: str, field: Any) -> tuple[str, ...]:
    """Every name under which an argument is taken, the one that its schema shows first."""
    alias = field.validation_alias
    others = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias else []
    return tuple(dict.fromkeys([*(str(other) for other in others), name]))


def also(name: str, *others: str) -> AliasChoices:
    """An argument's name and the other names under which it is taken."""
    return AliasChoices(name, *others)


def _lifted(hint: Any) -> Any:
    """The type of an argument: description and other names of `Named` hold for `Named | None` as a whole."""
    if get_origin(hint) is Annotated:
        return Annotated[(_lifted(hint.__origin__), *hint.__metadata__)]
    parts = get_args(hint)
    if get_origin(hint) not in (Union, types.UnionType) or type(None) not in parts:
        return hint
    said = [meta for part in parts for meta in getattr(part, "__metadata__", ()) if isinstance(meta, FieldInfo)]
    whole: Any = Union.__getitem__(tuple(_constrained(part) for part in parts))
    if not said:
        return whole
    return Annotated[whole, Field(description=said[-1].description, validation_alias=said[-1].validation_alias)]


def _constrained(part: Any) -> Any:
    """A type with what limits its values, without description and names."""
    if get_origin(part) is not Annotated:
        return part
    limits = [meta.metadata if isinstance(meta, FieldInfo) else [meta] for meta in part.__metadata__]
    return Annotated[(part.__origin__, *chain(*limits))] if any(limits) else part.__origin__


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the titles that pydantic makes of names."""

    def without(value: Any, *, names: bool = False) -> Any:
        if isinstance(value, dict):
            kept = {key: item for key, item in value.items() if names or key != "title" or not isinstance(item, str)}
            return {key: without(item, names=key in ("properties", "$defs")) for key, item in kept.items()}
        return [without(item) for item in value] if isinstance(value, list) else value

    return dict(without(schema))


def _without_null(value: Any) -> Any:
    """A schema in which what may be null is described as what it is otherwise."""
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_null(item) for key, item in value.items()}
    choices = kept.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return kept
    others = [choice for choice in choices if choice != {"type": "null"}]
    rest = {key: item for key, item in kept.items() if key != "anyOf" and not (key == "default" and item is None)}
    return (others[0] if len(others) == 1 else {"anyOf": others}) | rest


__all__ = ["MODULES", "Arguments", "Call", "Effect", "Tool", "also", "names_of", "tool", "tools"]
