"""Files, as tools tell of them, and tables for them."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.catalog

COLUMNS = [{"name": "Epochs", "type": "int4", "comment": "How long"}, {"name": "Framework", "type": "text"}]


@pytest.fixture(scope="module")
def run(own: Any) -> dict[str, Any]:
    """Two runs: RIDs of the first, which made two files, and of the second, which used one of them and made another."""
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    ml = DerivaML(**own.where)
    ml.add_term("Workflow_Type", "Training", description="Trains.")
    code = {"Name": "Train", "URL": "https://example.org/train.py", "Checksum": "1f", "Workflow_Type": "Training"}
    (workflow,) = ml.pathBuilder.schemas["deriva-ml"].tables["Workflow"].insert([code])

    def played(assets: list[str], *names: str) -> Any:
        with ml.create_execution(description="A run", workflow=workflow["RID"], assets=assets) as execution:
            for name in names:
                path = execution.asset_file_path("Execution_Asset", name, asset_types=["Model_File", "Output_File"])
                Path(path).write_text(name, encoding="utf-8")
        execution.commit_output_assets()
        return execution

    first = played([], "b.pt", "a.pt")
    rids = {path.file_name: str(path.asset_rid) for path in first.uploaded_assets["deriva-ml/Execution_Asset"]}
    second = played([rids["a.pt"]], "c.csv")
    rids |= {path.file_name: str(path.asset_rid) for path in second.uploaded_assets["deriva-ml/Execution_Asset"]}
    return rids | {"first": first.execution_rid, "second": second.execution_rid, "ml": ml}


def test_a_file_is_described_with_what_made_and_used_it(own: Any, run: dict[str, Any]) -> None:
    got = own("deriva_ml_lookup_asset", asset_rid=run["a.pt"])

    assert (got["rid"], got["filename"], got["length"]) == (run["a.pt"], "a.pt", 4)
    assert (got["asset_table"], got["asset_types"]) == ("Execution_Asset", ["Model_File", "Output_File"])
    assert [(each["rid"], each["asset_role"]) for each in got["executions"]] == [
        (run["first"], "Output"),
        (run["second"], "Input"),
    ]
    assert (got["executions_total"], got["stored"]) == (2, True)


def test_the_command_that_is_printed_downloads_the_file(
    own: Any, run: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = own("deriva_ml_lookup_asset", asset_rid=run["a.pt"])["next_step"].removeprefix("Download it: ")
    monkeypatch.chdir(tmp_path)

    exec(shlex.split(command)[-1], {})

    assert (tmp_path / "outputs" / "a.pt").read_text() == "a.pt"


def test_a_file_that_is_not_where_the_catalog_says_is_told_apart(own: Any, run: dict[str, Any]) -> None:
    gone, elsewhere = (
        {"URL": url, "Filename": "x", "Length": 1, "MD5": "00"}
        for url in ("/hatrac/no/such:1", "https://data.example.org/x")
    )
    rows = run["ml"].pathBuilder.schemas["deriva-ml"].tables["Execution_Asset"].insert([gone, elsewhere])

    assert [own("deriva_ml_lookup_asset", asset_rid=row["RID"])["stored"] for row in rows] == [False, None]


def test_a_file_tells_its_tables_own_columns(ask: Any, clinic: Any) -> None:
    got = ask("deriva_ml_lookup_asset", asset_rid=clinic.rids["a.txt"])

    assert got["metadata"] == {"Note": "", "Observation": clinic.rids["first"], "Size": ord("a")}


def test_the_files_of_a_run_are_listed_by_role(own: Any, run: dict[str, Any]) -> None:
    def listed(**arguments: Any) -> dict[str, str]:
        got = own("deriva_ml_list_assets", execution_rid=run["second"], table="Execution_Asset", **arguments)
        assert got["total"] == got["count"] == got["by_table"].get("Execution_Asset", 0)
        return {row["filename"]: row["asset_role"] for row in got["assets"]}

    assert listed() == {"a.pt": ["Input"], "c.csv": ["Output"]}
    assert listed(asset_role="Output") == {"c.csv": ["Output"]}
    assert listed(asset_role="Input", asset_type="Model_File") == {"a.pt": ["Input"]}
    assert listed(asset_type="Execution_Config") == {}
    counted = own("deriva_ml_list_assets", execution_rid=run["second"], table="Execution_Asset", preflight_count=True)
    assert (counted["assets"], counted["total"]) == ([], 2)


def test_pages_go_through_all_tables_and_overlap_nowhere(own: Any, run: dict[str, Any]) -> None:
    everything = own("deriva_ml_list_assets", execution_rid=run["first"])
    seen: list[str] = []
    cursor = None
    for _ in range(everything["total"] + 1):
        page = own("deriva_ml_list_assets", execution_rid=run["first"], limit=1, cursor=cursor)
        seen += [row["rid"] for row in page["assets"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(everything["by_table"]) == 2  # Execution_Asset, Execution_Metadata
    assert seen == [row["rid"] for row in everything["assets"]]
    assert len(seen) == everything["total"] == sum(everything["by_table"].values())


def test_a_page_of_one_table_goes_on_behind_the_cursor(ask: Any, clinic: Any) -> None:
    got = ask("deriva_ml_list_assets", asset_table="Image", limit=2, after_rid=clinic.rids["b.txt"])

    assert [row["filename"] for row in got["assets"]] == ["c.txt", "d.txt"]
    assert (got["total"], got["by_table"], got["next_cursor"]) == (5, {"Image": 5}, clinic.rids["d.txt"])


@pytest.mark.parametrize("cursor", ["x y", "1-ZZZZ", "Ann"])
def test_a_cursor_that_no_answer_gave_is_refused(refuse: Any, clinic: Any, cursor: str) -> None:
    assert refuse("deriva_ml_list_assets", cursor=clinic.rids.get(cursor, cursor))["code"] == "bad_argument"


@pytest.mark.parametrize(
    ("arguments", "code", "candidates"),
    [
        ({"table": "Imgae"}, "not_found", ["Image"]),
        ({"table": "Subject"}, "bad_argument", ["Image", "Execution_Asset", "Execution_Metadata", "File"]),
        ({"asset_type": "Imag"}, "not_found", ["Image"]),
        ({"asset_role": "Input"}, "bad_argument", []),
        ({"execution_rid": "1-ZZZZ"}, "not_found", []),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(
    refuse: Any, arguments: dict[str, str], code: str, candidates: list[str]
) -> None:
    error = refuse("deriva_ml_list_assets", **arguments)

    assert (error["code"], error.get("candidates", [])) == (code, candidates)


def test_a_rid_of_another_kind_is_named(own: Any, refuse: Any, clinic: Any) -> None:
    error = refuse("deriva_ml_lookup_asset", asset_rid=clinic.rids["Ann"])
    assert error["message"] == f"{clinic.rids['Ann']} is a row of Subject, not a file."
    dataset = refuse("deriva_ml_lookup_asset", asset_rid=clinic.datasets["left"].rid)
    assert "deriva_ml_list_dataset_members(" in dataset["remedy"]
    execution = refuse("deriva_ml_lookup_asset", asset_rid=clinic.rids["evening"])
    assert "deriva_ml_list_assets(" in execution["remedy"]
    typo = clinic.rids["a.txt"].replace("0", "Q", 1)
    assert clinic.rids["a.txt"] in refuse("deriva_ml_lookup_asset", asset_rid=typo)["candidates"]


def test_a_table_for_files_is_made_once_and_all_that_is_made_is_recorded(own: Any) -> None:
    asked = {"name": "Checkpoint", "columns": COLUMNS, "comment": "Trained models"}
    tried = own("deriva_ml_create_asset_table", **asked, dry_run=True)
    assert (tried["created"], tried["existed"], tried["execution_rid"]) == (False, False, None)

    made = own("deriva_ml_create_asset_table", **asked)

    assert (made["schema"], made["table"], made["created"]) == ("lab", "Checkpoint", True)
    assert made["columns"] == ["URL", "Filename", "Description", "Length", "MD5", "Epochs", "Framework"]
    assert made["makes"] == tried["makes"]
    record = own("deriva_ml_list_assets", execution_rid=made["execution_rid"], table="Execution_Metadata")
    (rid,) = (row["rid"] for row in record["assets"] if row["filename"] == "writes.jsonl")
    lines = [json.loads(line) for line in _content(own, rid).splitlines()]
    tables = [f"{line['schema']}:{line['table']}" for line in lines if line.get("made") == "table"]
    assert tables == made["makes"][:3] == ["lab:Checkpoint", "lab:Checkpoint_Asset_Type", "lab:Checkpoint_Execution"]
    assert [len(line["rids"]) for line in lines if line["table"] == "Asset_Type"] == [1]

    again = own("deriva_ml_create_asset_table", **asked)
    assert (again["created"], again["existed"], again["execution_rid"]) == (False, True, None)
    assert own("deriva_ml_list_assets", table="Checkpoint")["total"] == 0


def test_all_that_is_wrong_with_a_new_table_is_said_at_once(refuse: Any) -> None:
    columns = [
        {"name": "Length", "type": "int4"},
        {"name": "Score", "type": "flaot8"},
        {"name": "x" * 64},
        {"name": "Epochs", "type": "int4", "default": "many"},
    ]
    error = refuse("deriva_ml_create_asset_table", name="no name", columns=columns)

    assert error["code"] == "bad_argument"
    assert [fault.get("value") for fault in error["faults"]] == ["flaot8", "x" * 64, "many", "no name", "Length"]
    assert "float8" in error["faults"][0]["message"]


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("Subject", [], "it holds no files"),
        ("Image", [{"name": "Size", "type": "text"}, {"name": "Eye"}], "no column Eye"),
    ],
)
def test_a_table_of_that_name_that_is_another_is_a_conflict(
    refuse: Any, name: str, columns: list[dict[str, str]], said: str
) -> None:
    error = refuse("deriva_ml_create_asset_table", name=name, columns=columns)

    assert error["code"] == "conflict" and said in error["message"]


def _content(own: Any, rid: str) -> str:
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    with tempfile.TemporaryDirectory() as folder:
        return Path(DerivaML(**own.where).lookup_asset(rid).download(folder)).read_text(encoding="utf-8")
