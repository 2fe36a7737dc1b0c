"""The tool calls that the workflow prints work as they stand there, once the reader's own names are filled in."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.invoke import call_of, invoke
from deriva_ml_kit.tools.registry import tools
from deriva_ml_kit.tools.written import written

pytestmark = pytest.mark.catalog

FILE = Path(__file__).parents[2] / "data" / "seed-calls.json"
CALLS = [each["call"] for each in json.loads(FILE.read_text(encoding="utf-8"))["calls"]]
RELEASE = "deriva_ml_release_dataset(...)"  # it writes, so it is tried on a catalog of its own
# What the document leaves to the reader: a name in angle brackets, three dots, the host and the catalog.
LEFT_OPEN = re.compile(
    r'(?P<name>\w+)=(?:"<[^>"]+>"|"?\.\.\."?|\{\.\.\.\}|\["<.*?>"\]|"data\.example\.org"|(?<=catalog_id=)"1")'
)


@pytest.fixture(scope="session")
def names(clinic: Any) -> dict[str, Any]:
    """The reader's own names."""
    rids = clinic.rids
    images = clinic.datasets["images"]
    return {
        "hostname": clinic.ml.host_name,
        "catalog_id": str(clinic.ml.catalog_id),
        "target_table": "Image",
        "feature_name": "Diagnosis",
        "schema": "clinic",
        "table": "Grade",
        "dataset_rid": images.rid,
        "version": str(images.version),
        "execution_rid": rids["evening"],
        "execution_rids": [rids["evening"], rids["morning"]],
        "asset_rid": rids["a.txt"],
        "workflow_rid": rids["Grading"],
        "config": {
            "datasets": [{"rid": images.rid, "version": str(images.version)}],
            "assets": [rids["a.txt"]],
            "workflow": rids["Grading"],
        },
    }


@pytest.fixture(scope="session")
def project(names: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in git that names the catalog."""
    folder = tmp_path_factory.mktemp("project")
    file = folder / "src" / "configs" / "catalog.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"hostname": names["hostname"], "catalog_id": names["catalog_id"]}))
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "The catalog"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    for name, value in (("user.name", "Ann"), ("user.email", "ann@example.org")):
        subprocess.run(["git", "config", name, value], cwd=folder, check=True)
    return folder


def filled_in(call: str, names: dict[str, Any]) -> str:
    if call == "get_entities(...)":
        return 'get_entities(schema="clinic", table="Image")'
    call = call.replace('"<type>"', '"patch"')
    return LEFT_OPEN.sub(lambda found: f"{found['name']}={names[found['name']]!r}", call)


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call != RELEASE], ids=lambda call: re.sub(r"\s+", " ", call)[:80]
)
def test_a_printed_call_works(call: str, names: dict[str, Any], project: Path):
    text = filled_in(call, names)
    assert not re.search(r"\.\.\.|<\w+>|data\.example", text)
    name, given = written(text)
    if name == "bump_version":
        commit = ["git", "commit", "-q", "--allow-empty", "-m", "Another"]
        subprocess.run(commit, cwd=project, check=True)

    outcome = invoke(name, given, call_of(name, project))

    assert outcome.failure is None, outcome.failure
    assert EXPECTED[name](outcome.document, names), outcome.document


Document = dict[str, Any]
EXPECTED: dict[str, Callable[[Document, Document], bool]] = {
    "rag_index_schema": lambda found, names: True,
    "deriva_ml_get_feature": lambda found, names: found["feature_name"] == names["feature_name"],
    "list_vocabulary_terms": lambda found, names: {row["Name"] for row in found["terms"]} == {"low", "high"},
    "deriva_ml_list_feature_values": lambda found, names: found["count"] in (3, 4) and bool(found["records"]),
    "deriva_ml_denormalize_dataset": lambda found, names: found["count"] > 0,
    "get_entities": lambda found, names: found["count"] == 5,
    "deriva_ml_validate_execution_configuration": lambda found, names: True,
    "deriva_ml_bag_info": lambda found, names: found["dataset_rid"] == names["dataset_rid"],
    "bump_version": lambda found, names: True,
    "deriva_ml_get_execution": lambda found, names: found["rid"] == names["execution_rid"],
    "deriva_ml_lookup_asset": lambda found, names: found["rid"] == names["asset_rid"],
    "deriva_ml_find_workflow_executions": lambda found, names: found["count"] == 2,
    "deriva_ml_list_execution_children": lambda found, names: found["count"] == 0,
    "deriva_ml_list_execution_parents": lambda found, names: found["count"] == 0,
}


def test_the_printed_release_works(own: Any, tmp_path: Path):
    rid = own("deriva_ml_create_dataset", description="Everything")["dataset_rid"]
    own("deriva_ml_mark_dev", dataset_rid=rid, description="New labels")
    name, given = written(RELEASE.replace("...", f'dataset_rid="{rid}"'))

    outcome = invoke(name, own.where | given, call_of(name, tmp_path))

    assert outcome.failure is None, outcome.failure
    assert outcome.document["new_version"] == "0.2.0"


def test_every_tool_that_the_workflow_names_is_there():
    assert {call.partition("(")[0] for call in CALLS} - tools().keys() == set()
