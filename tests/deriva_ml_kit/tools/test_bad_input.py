"""Whatever is given to whichever argument of whichever tool: an error as data that names it, and nothing is written.

The calls are made of the tools' own schemas: a call that would work, with one argument spoilt. What spoils an argument
follows from its type, or, for what only a catalog can know, from its name.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.failure import Code
from deriva_ml_kit.tools.invoke import call_of, invoke
from deriva_ml_kit.tools.registry import Effect, tools

pytestmark = pytest.mark.catalog

NOWHERE = "9-ZZZZ-ZZZZ"  # well formed, and no row's
GARBAGE = "no such thing"
DEEP = json.loads("[" * 200 + "]" * 200)
HALF = "a\ud800"  # half of a character
LONG = "x" * 200_000

# Tools that answer without a catalog what they can.
UNBOUND = {"deriva_ml_bootstrap_status", "deriva_ml_list_receipts", "deriva_ml_list_cached_bags"}
CHANGING = ("deriva_ml_add_dataset_members", "deriva_ml_mark_dev", "deriva_ml_release_dataset")
# One of several arguments must be given.
ALSO = {"load_rows": ["rows"], "deriva_ml_add_dataset_members": ["member_rids"]}
# Arguments that name what is to be made, so that there is no such thing yet.
MADE = {
    ("create_table", "table"),
    ("create_vocabulary", "table"),
    ("add_term", "name"),
    ("deriva_ml_create_asset_table", "name"),
    ("deriva_ml_create_feature", "feature_name"),
    ("deriva_ml_create_dataset", "version"),
}
# Any row has a lineage.
ANY_KIND = {("deriva_ml_lookup_lineage", "rid")}


@pytest.fixture(scope="module")
def sound(clinic: Any, own: Any) -> dict[str, Any]:
    """A value for every argument that must be given, by its name or by tool and name.

    What changes datasets has some to change, in a catalog that can.
    """
    rids = clinic.rids
    whole, part = (own("deriva_ml_create_dataset", description=each)["dataset_rid"] for each in ("Whole", "Part"))
    term = own("list_vocabulary_terms", table="Workflow_Type", limit=1)["terms"][0]["RID"]
    changing = {"dataset_rid": whole, "member_rids": [part], "subject": term, **own.where}
    return {
        "hostname": clinic.ml.host_name,
        "catalog_id": str(clinic.ml.catalog_id),
        "table": "Image",
        "target_table": "Image",
        "feature_name": "Diagnosis",
        "name": "Something_new",
        "description": "What it is",
        "query": "images",
        "columns": [{"name": "Size", "type": "int4"}],
        "config": {"datasets": []},
        "dataset_rid": clinic.datasets["images"].rid,
        "execution_rid": rids["evening"],
        "workflow_rid": rids["Grading"],
        "asset_rid": rids["a.txt"],
        "rid": rids["evening"],
        ("add_term", "table"): "Grade",
        ("list_vocabulary_terms", "table"): "Grade",
        ("create_table", "table"): "Something_new",
        ("create_vocabulary", "table"): "Something_new",
        ("deriva_ml_create_feature", "feature_name"): "Something_new",
        ("load_rows", "table"): "Subject",
        "member_rids": [rids["a.txt"]],
        "subject": rids["Ann"],
        "rows": [{"Name": "Eve"}],
    } | {(tool, key): value for tool in CHANGING for key, value in changing.items()}


def call_for(name: str, sound: Mapping[Any, Any]) -> dict[str, Any]:
    """Arguments with which the tool would work."""
    found = tools()[name]
    needed = [*found.input_schema.get("required", []), *(["hostname", "catalog_id"] if found.catalog else [])]
    given = {key: of(name, key, sound) for key in needed}
    given |= {key: of(name, key, sound) for key in ALSO.get(name, ())}
    return given


def of(name: str, key: str, sound: Mapping[Any, Any]) -> Any:
    return sound.get((name, key), sound.get(key))


def kind_of(facts: Mapping[str, Any]) -> str:
    """The type that the schema shows, the first of several."""
    return facts.get("type") or next((choice["type"] for choice in facts.get("anyOf", ()) if "type" in choice), "")


def spoilt(facts: Mapping[str, Any]) -> Iterator[Any]:
    """What the argument cannot be, whatever the catalog: this much follows from its schema."""
    kind = kind_of(facts)
    yield from {"string": [[1]], "integer": ["many", 10**30], "boolean": ["perhaps"], "object": [5], "array": [5]}[kind]
    yield DEEP
    for text in ("a\0b", HALF):
        yield {"string": text, "array": [text], "object": {"key": [text]}}.get(kind, text)
    if kind == "string" and "format" not in facts:
        yield LONG
    if facts.get("minLength"):
        yield "  "
    if "enum" in facts or "pattern" in facts or "format" in facts:
        yield GARBAGE
    if "minimum" in facts:
        yield facts["minimum"] - 1
    if "maximum" in facts:
        yield facts["maximum"] + 1


def unknown(name: str, key: str, facts: Mapping[str, Any], sound: Mapping[Any, Any]) -> Iterator[Any]:
    """What the argument cannot be in this catalog: this much follows from its name."""
    many = kind_of(facts) == "array"
    if (name, key) in MADE:
        return
    if key.endswith(("rid", "rids")):
        wrong = (
            [NOWHERE, GARBAGE]
            if (name, key) in ANY_KIND | {("deriva_ml_add_dataset_members", "member_rids")}
            else [NOWHERE, GARBAGE, of(name, "subject", sound)]
        )
        yield from ([rid] if many else rid for rid in wrong)
    elif key in ("table", "target_table", "schema", "feature_name", "row_per", "dataset_type", "asset_type"):
        yield GARBAGE
    elif key in ("include_tables", "exclude_tables", "via", "dataset_types", "terms", "assets", "optional", "key"):
        yield [GARBAGE]
    elif key == "columns":
        yield [GARBAGE] if name == "get_entities" else [{"name": "Size", "type": GARBAGE}]
    yield from OTHERS.get(key, ())


OTHERS: dict[str, list[Any]] = {
    "cursor": ["garbage!", "-1"],
    "version": ["99.99.99", "newest?"],
    "filters": [{"Nope": 1}, {"RID": {"op": "~~", "value": 1}}],
    "file": ["../../../etc/passwd", "/etc/passwd", "nowhere.csv", "."],
    "project_path": ["../..", "nowhere"],
    "start": ["first"],
    "rows": [[{"Nope": 1}], [{"RID": NOWHERE, "Name": {"a": 1}}]],
    "members_by_table": [{GARBAGE: ["1-AB"]}, {"Image": [NOWHERE]}],
    "metadata": [[{"name": "Size", "type": GARBAGE}], [GARBAGE]],
    "foreign_keys": [[{"columns": ["Nope"], "references_table": GARBAGE}]],
    "keys": [[["Nope"]]],
    "status": [GARBAGE],
    "since": [GARBAGE],
    "catalog_id": ["99999", "../1", "1/entity"],
}


def complaints(name: str, key: str, given: dict[str, Any], project: Path, value: Any) -> list[str]:
    """What is wrong with how a call was refused."""
    what = f"{key}={value!r}"[:90]
    outcome = invoke(name, given, call_of(name, project))
    failure = outcome.failure
    if failure is None:
        return [f"{what}: was answered"]
    said = f"{failure.code}: {failure.message[:300]}"
    if failure.code is Code.INTERNAL:
        return [f"{what}: {said}"]
    said_of = f"{failure.message} {failure.remedy} {failure.faults}".casefold()
    named = [key, *(text.casefold() for text in texts(value) if text.strip())]
    if not any(text in said_of for text in named):
        return [f"{what}: neither is named in {said}"]
    return [] if "Traceback" not in json.dumps(outcome.document) else [f"{what}: a traceback"]


def texts(value: Any) -> Iterator[str]:
    """The texts in a value."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield str(value)[:100]


@pytest.fixture
def untouched(clinic: Any, own: Any, sound: dict[str, Any], deriva_server: Any) -> Iterator[None]:
    """Nothing is written while a test runs."""
    catalogs = [clinic.ml.catalog, deriva_server.connect_ermrest(own.where["catalog_id"])]
    before = [catalog.get("/").json()["snaptime"] for catalog in catalogs]
    yield
    assert [catalog.get("/").json()["snaptime"] for catalog in catalogs] == before


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", tools())
def test_what_no_schema_allows_is_refused(name: str, sound: dict[str, Any], tmp_path: Path):
    found = tools()[name]
    wrong = []
    for key, facts in found.input_schema["properties"].items():
        for value in spoilt(facts):
            wrong += complaints(name, key, call_for(name, sound) | {key: value}, tmp_path, value)
    for key in found.input_schema.get("required", []):
        given = {other: value for other, value in call_for(name, sound).items() if other != key}
        wrong += complaints(name, key, given, tmp_path, key)
    wrong += complaints(name, "nonsense", call_for(name, sound) | {"nonsense": 1}, tmp_path, 1)

    assert wrong == [], "\n".join(wrong)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", tools())
def test_what_the_catalog_does_not_have_is_refused(name: str, sound: dict[str, Any], tmp_path: Path):
    wrong = []
    for key, facts in tools()[name].input_schema["properties"].items():
        if name in UNBOUND and key in ("catalog_id", "dataset_rid"):
            continue
        for value in unknown(name, key, facts, sound):
            wrong += complaints(name, key, call_for(name, sound) | {key: value}, tmp_path, value)

    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("name", [name for name, found in tools().items() if found.catalog])
def test_a_host_that_is_none_does_not_answer_or_is_not_logged_into(
    name: str, sound: dict[str, Any], tmp_path: Path, new_port: Any
):
    closed = f"localhost:{new_port()}"
    wrong = []
    for hostname in ("no host!", "a/b", "user@host", closed) if name not in UNBOUND else ("no host!",):
        wrong += complaints(name, "hostname", call_for(name, sound) | {"hostname": hostname}, tmp_path, hostname)
    if name not in UNBOUND:
        given = {key: value for key, value in call_for(name, sound).items() if key not in ("hostname", "catalog_id")}
        wrong += complaints(name, "hostname", given, tmp_path, "")

    assert wrong == [], "\n".join(wrong)


def test_every_writing_tool_is_tried():
    """The schemas above are those of all tools, the ones that write among them."""
    assert len([found for found in tools().values() if found.effect is not Effect.READ]) >= 10
