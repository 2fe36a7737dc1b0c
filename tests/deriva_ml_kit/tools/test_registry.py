"""Tools are described so that agents can call them: every argument has a meaning, and its type is told plainly."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

import deriva_ml_kit.tools
from deriva_ml_kit.tools import registry
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.registry import Effect, Tool, also, tool, tools
from deriva_ml_kit.tools.types import Rid, TableName

every_tool = pytest.mark.parametrize("found", tools().values(), ids=lambda found: found.name)


class Nothing(Answer):
    """Nothing."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a function a tool, for one test."""
    monkeypatch.setattr(registry, "_TOOLS", dict(registry._TOOLS))

    def made(function: Any, effect: Effect = Effect.READ, **options: Any) -> Tool:
        tool("Try it", effect, **options)(function)
        return registry._TOOLS[function.__name__]

    return made


@every_tool
def test_a_tool_says_what_it_does_and_what_each_argument_means(found: Tool):
    assert 40 <= len(found.description) <= 700
    assert found.title[0].isupper() and not found.title.endswith(".")
    without = {name for name, facts in found.input_schema["properties"].items() if not facts.get("description")}
    assert without == set()


@every_tool
def test_a_tool_that_writes_takes_dry_run(found: Tool):
    assert found.effect is Effect.READ or "dry_run" in found.input_schema["properties"]


@every_tool
def test_schemas_are_flat_and_hold_nothing_that_is_made_of_names(found: Tool):
    properties = found.input_schema["properties"]

    assert {"type": "null"} not in [choice for facts in properties.values() for choice in facts.get("anyOf", ())]
    assert all(facts.get("default", "") is not None for facts in properties.values())
    assert found.input_schema["additionalProperties"] is False
    assert not any(isinstance(facts.get("title"), str) for facts in properties.values())


def test_all_schemas_together_are_small_enough_to_be_read_in_every_session():
    whole = [
        {"name": each.name, "description": each.description, "schema": each.input_schema} for each in tools().values()
    ]

    assert len(json.dumps(whole, ensure_ascii=False).encode()) < 60_000


def test_every_module_with_tools_is_listed():
    """A module that nobody imports has tools that nobody can call."""
    root = Path(deriva_ml_kit.tools.__file__).parent
    files = [
        file for file in root.rglob("*.py") if re.search(r"^@tool\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    places = [file.relative_to(root).with_suffix("").as_posix().replace("/", ".") for file in files]
    holding = {place.removesuffix(".__init__") for place in places}

    assert holding == set(registry.MODULES)


def shop_find(
    call: Call,
    table: TableName | None = None,
    rid: Annotated[Rid | None, Field(description="Its RID")] = None,
    names: list[Rid] | None = None,
) -> Nothing:
    """Find it.

    Args:
        call: Not for agents.
    """
    return Nothing()


def test_what_may_be_left_out_has_the_names_and_the_meaning_of_its_type(made: Any):
    found = made(shop_find)
    properties = found.input_schema["properties"]

    assert properties["table"] == {"description": "Table", "maxLength": 200, "minLength": 1, "type": "string"}
    assert properties["rid"] == {"description": "Its RID", "type": "string"}
    assert found.arguments.model_validate({"table_name": "Image"}).table == "Image"
    assert found.arguments.model_validate({"table": None, "names": None}).table is None
    assert found.description == "Find it."


def test_what_a_type_forbids_is_forbidden_where_it_may_be_left_out(made: Any):
    arguments = made(shop_find).arguments

    for given in ({"table": ""}, {"rid": "?"}, {"names": ["?"]}):
        with pytest.raises(ValueError, match="validation error"):
            arguments.model_validate(given)


def shop_write(call: Call, name: str) -> Nothing:
    """Write."""
    return Nothing()


def test_a_writing_tool_without_dry_run_is_a_mistake(made: Any):
    with pytest.raises(TypeError, match="dry_run"):
        made(shop_write, Effect.WRITE)


def test_two_tools_of_one_name_are_a_mistake(made: Any):
    def deriva_ml_get_feature(call: Call) -> Nothing:
        return Nothing()

    with pytest.raises(TypeError, match="two tools"):
        made(deriva_ml_get_feature)


def test_a_tool_without_catalog_takes_no_host(made: Any):
    assert made(shop_write, catalog=False).input_schema["properties"].keys() == {"name"}
    assert {"hostname", "catalog_id"} < made(shop_find).input_schema["properties"].keys()


def test_reading_changes_nothing_more_the_second_time_and_writing_may(made: Any):
    assert made(shop_find).idempotent
    assert not made(shop_write, Effect.WRITE, catalog=False).idempotent
    assert made(shop_write, Effect.WRITE, catalog=False, idempotent=True).idempotent


def test_names_of_an_argument_begin_with_the_one_that_is_shown():
    field = Field(validation_alias=also("schema", "schema_name"))

    assert registry.names_of("schema_name", field) == ("schema", "schema_name")
    assert registry.names_of("limit", Field()) == ("limit",)
