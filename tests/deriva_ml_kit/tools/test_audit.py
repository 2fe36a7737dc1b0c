"""No tool writes a row that no execution is known to have made; and the audit finds one that somebody else wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.registry import Effect, tools

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def written(own: Any) -> dict[str, Any]:
    """Every tool that writes to a catalog, called on one that holds nothing; RIDs of what they made."""
    called: set[str] = set()

    def write(tool: str, **arguments: Any) -> Any:
        called.add(tool)
        return own(tool, **arguments)

    made = {"ask": own}
    write("create_vocabulary", table="Sex", comment="As told")
    write("add_term", table="Sex", name="female", description="Female", synonyms=["F"])
    write("add_term", table="Dataset_Type", name="Cohort", description="Who was asked")
    columns = [{"name": "Name", "nullok": False}, {"name": "Sex"}]
    key = [{"columns": ["Sex"], "references_table": "Sex"}]
    write("create_table", table="Subject", columns=columns, foreign_keys=key, keys=["Name"])
    write("deriva_ml_create_asset_table", name="Scan")
    write("load_rows", table="Subject", rows=[{"Name": f"S{n}", "Sex": "F"} for n in range(3)])
    subjects = [row["RID"] for row in own("get_entities", table="Subject")["entities"]]
    write("deriva_ml_create_feature", target_table="Subject", feature_name="Score", metadata=[{"name": "Value"}])
    write("deriva_ml_add_dataset_element_type", table="Subject")
    dataset = write("deriva_ml_create_dataset", description="All", dataset_types=["Cohort"])["dataset_rid"]
    part = write("deriva_ml_create_dataset", description="Some")["dataset_rid"]
    write("deriva_ml_add_dataset_members", dataset_rid=part, member_rids=subjects[:2])
    write("deriva_ml_add_dataset_members", dataset_rid=dataset, member_rids=[part])
    write("deriva_ml_release_dataset", dataset_rid=part, bump="minor", description="First")
    write("deriva_ml_mark_dev", dataset_rid=part, description="Values were corrected")
    made |= {"dataset": part, "called": called}
    return made


def test_every_tool_that_writes_is_tried(written: dict[str, Any]) -> None:
    writing = {name for name, tool in tools().items() if tool.effect is not Effect.READ and tool.catalog}

    assert written["called"] == writing


def test_an_execution_is_known_for_every_row_and_table_that_tools_make(written: dict[str, Any]) -> None:
    found = written["ask"]("deriva_ml_audit_provenance")

    assert [line for line in found["tables"] if line["unknown"]] == []
    assert found["unknown_tables"] == found["unreadable_records"] == []
    assert found["clean"]
    totals = {line["table"]: line["total"] for line in found["tables"]}
    looked_at = {"Subject": 3, "Sex": 1, "Dataset": 2, "Dataset_Subject": 2, "Dataset_Dataset": 1, "Feature_Name": 1}
    assert {table: totals[table] for table in looked_at} == looked_at


def test_what_executions_make_without_tools_is_known_by_its_links(written: dict[str, Any]) -> None:
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.workflow.installed import installed_program  # noqa: PLC0415

    ml = DerivaML(**written["ask"].where)
    subjects = [row["RID"] for row in ml.catalog.get("/entity/lab:Subject").json()]
    workflow = installed_program(ml, "By hand", "Ingest", module="deriva_ml_kit.tools.rows")
    with ml.create_execution(workflow=workflow, description="By hand") as execution:
        dataset = ml.create_dataset(execution_rid=execution.execution_rid, description="By hand")
        ml.add_dataset_members(dataset, subjects, execution_rid=execution.execution_rid)
        execution.add_features([ml.feature_record_class("Subject", "Score")(Subject=subjects[0], Value="1")])
        Path(execution.asset_file_path("Scan", "scan.txt")).write_text("scan")
    execution.commit_output_assets()

    found = written["ask"]("deriva_ml_audit_provenance")
    assert [line for line in found["tables"] if line["unknown"]] == []
    totals = {line["table"]: line["total"] for line in found["tables"]}
    assert (totals["Dataset_Subject"], totals["Execution_Subject_Score"], totals["Scan"]) == (5, 1, 1)


@pytest.fixture
def behind(written: dict[str, Any]) -> Iterator[Any]:
    """A function that writes a row without an execution, and gives what the audit says of its table."""
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    catalog = DerivaML(**written["ask"].where).catalog
    rows: list[str] = []

    def behind(path: str, **values: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
        [row] = catalog.post(f"/entity/{path}?defaults=RID,RCT,RCB,RMT,RMB", json=[values]).json()
        rows.append(f"/entity/{path.partition('&')[0]}/RID={row['RID']}")
        answer = written["ask"]("deriva_ml_audit_provenance")
        return row["RID"], answer["tables"][0], answer

    yield behind
    for row in rows:
        catalog.delete(row)


@pytest.mark.parametrize("table", ["Subject", "Sex", "Feature_Name", "Dataset", "Dataset_Subject", "Scan"])
def test_a_row_written_behind_its_back_is_found(written: dict[str, Any], behind: Any, table: str) -> None:
    term = {"Name": "other", "Description": "Other", "ID": "lab:1", "URI": "/id/1"}
    path, values = {
        "Subject": ("lab:Subject", {"Name": "S9"}),
        "Sex": ("lab:Sex", term),
        "Feature_Name": ("deriva-ml:Feature_Name", term),
        "Dataset": ("deriva-ml:Dataset", {"Description": "Mine"}),
        "Dataset_Subject": ("lab:Dataset_Subject", {"Dataset": written["dataset"], "Subject": "S2"}),
        "Scan": ("lab:Scan", {"URL": "/hatrac/x", "Filename": "x", "Length": 1, "MD5": "0" * 32}),
    }[table]

    rid, worst, answer = behind(path, **values)

    assert not answer["clean"]
    assert answer["rows_unknown"] == 1
    assert (worst["table"], worst["unknown"], worst["sample_rids"]) == (table, 1, [rid])
    assert "get_entities" in answer["next_step"]


def test_a_table_made_behind_its_back_is_found(written: dict[str, Any]) -> None:
    from deriva.core.ermrest_model import Table  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    schema = DerivaML(**written["ask"].where).model.schemas["lab"]
    table = schema.create_table(Table.define("Notes"))
    answer = written["ask"]("deriva_ml_audit_provenance")
    table.drop()

    assert (answer["clean"], answer["unknown_tables"]) == (False, ["lab:Notes"])


def test_findings_come_first_and_in_pages(written: dict[str, Any], behind: Any) -> None:
    _, worst, all_at_once = behind("lab:Subject", Name="S9")

    first = written["ask"]("deriva_ml_audit_provenance", limit=1)
    rest = written["ask"]("deriva_ml_audit_provenance", cursor=first["next_cursor"])

    assert first["tables"] == [worst]
    assert [*first["tables"], *rest["tables"]] == all_at_once["tables"]
    assert first["rows_unknown"] == rest["rows_unknown"] == 1


def test_a_catalog_that_was_filled_without_executions_is_not_clean(ask: Any) -> None:
    answer = ask("deriva_ml_audit_provenance")
    unknown = {line["table"]: line["unknown"] for line in answer["tables"]}

    assert not answer["clean"]
    assert unknown["Subject"] == 4
    assert unknown["Execution_Image_Diagnosis"] == 0  # values of features name their executions
    assert unknown["Asset_Role"] == 0  # begun with the catalog
