"""Writes are recorded, whatever becomes of the work."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.invoke import call_of
from deriva_ml_kit.tools.writing import recorded

pytestmark = pytest.mark.catalog


@pytest.fixture
def call(own: Any) -> Call:
    return call_of("load_rows", **own.where)


@pytest.fixture
def record(own: Any) -> Callable[[str], tuple[str, str, list[dict[str, Any]] | None]]:
    """Status, its detail, and the record of an execution; none where it has none."""
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    ml = DerivaML(**own.where)

    def record(rid: str) -> tuple[str, str, list[dict[str, Any]] | None]:
        execution = ml.lookup_execution(rid)
        row = ml.catalog.get(f"/entity/deriva-ml:Execution/RID={rid}").json()[0]
        found = [asset for asset in ml.list_execution_assets(rid, "Output") if asset.filename == "writes.jsonl"]
        lines = None
        if found:
            text = found[0].download(ml.working_dir / rid).read_text(encoding="utf-8")
            lines = [json.loads(line) for line in text.splitlines()]
        return str(execution.status), row["Status_Detail"], lines

    return record


def test_what_was_written_is_named_by_its_execution(call: Call, record: Any) -> None:
    with recorded(call, "two tables", "Ingest") as writes:
        writes.made("table", "lab", "Subject")
        writes.rows("lab", "Subject", ["1-AAA1", "1-AAA2"])
        writes.rows("lab", "Subject", [])

    status, _, lines = record(writes.rid)
    made = {"schema": "lab", "table": "Subject", "made": "table"}
    rows = {"schema": "lab", "table": "Subject", "rids": ["1-AAA1", "1-AAA2"]}
    assert (status, lines, writes.count) == ("Uploaded", [made, rows], 2)


def test_nothing_written_leaves_no_record(call: Call, record: Any) -> None:
    with recorded(call, "nothing", "Ingest") as writes:
        pass

    assert record(writes.rid)[::2] == ("Uploaded", None)


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("the third row"), "Failed"), (KeyboardInterrupt(), "Aborted")]
)
def test_a_failure_after_a_write_is_recorded_with_it(
    call: Call, record: Any, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), recorded(call, "half", "Ingest") as writes:
        writes.rows("lab", "Subject", ["1-AAA3"])
        raise error

    found, detail, lines = record(writes.rid)
    assert found == status
    assert ("the third row" in detail) == (status == "Failed")
    assert lines is not None
    assert lines[0] == {"schema": "lab", "table": "Subject", "rids": ["1-AAA3"]}
    assert type(error).__name__ in lines[1]["failed"]


def test_a_call_that_nobody_waits_for_any_more_loses_no_record(call: Call, record: Any) -> None:
    with pytest.raises(ToolError) as caught, recorded(call, "long", "Ingest") as writes:
        call.progress(1, 2)
        call.stop.set()  # while the row is being written
        writes.rows("lab", "Subject", ["1-AAA4"])
        call.progress(2, 2)

    assert caught.value.code is Code.CANCELLED
    status, _, lines = record(writes.rid)
    assert status == "Failed"
    assert lines is not None
    assert lines[0]["rids"] == ["1-AAA4"]


def test_a_failure_before_any_write_is_a_failed_execution(call: Call, record: Any) -> None:
    with pytest.raises(ValueError, match="too early"), recorded(call, "none", "Ingest") as writes:
        raise ValueError("too early")

    assert record(writes.rid)[::2] == ("Failed", None)


def test_what_a_killed_process_leaves_is_completed(own: Any, record: Any, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal
            from deriva_ml_kit.tools.invoke import call_of
            from deriva_ml_kit.tools.writing import recorded

            with recorded(call_of("load_rows", **{own.where!r}), "killed", "Ingest") as writes:
                writes.rows("lab", "Subject", ["1-AAA5"])
                print(writes.rid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            """
        )
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    rid = done.stdout.strip()
    assert rid, done.stderr
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    assert record(rid)[::2] == ("Running", None)
    DerivaML(**own.where).commit_pending_executions(execution_rids=[rid])

    assert record(rid)[::2] == ("Uploaded", [{"schema": "lab", "table": "Subject", "rids": ["1-AAA5"]}])


def test_a_record_that_cannot_be_sent_is_kept_and_said_to_be(
    call: Call, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests  # noqa: PLC0415

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.execution import committing  # noqa: PLC0415

    def no_network(*_: Any) -> Any:
        raise requests.ConnectionError("the host is gone")

    sent = committing.send
    with pytest.raises(ToolError) as caught, recorded(call, "unsent", "Ingest") as writes:
        writes.rows("lab", "Subject", ["1-AAA6"])
        monkeypatch.setattr(committing, "send", no_network)
    monkeypatch.setattr(committing, "send", sent)

    assert writes.rid in caught.value.message
    assert "commit_pending_executions()" in str(caught.value.remedy)
    DerivaML(call.hostname, call.catalog_id).commit_pending_executions(execution_rids=[writes.rid])
    assert record(writes.rid)[::2] == ("Uploaded", [{"schema": "lab", "table": "Subject", "rids": ["1-AAA6"]}])


def test_a_workflow_type_that_the_catalog_lacks_is_added_and_named(clinic: Any, tmp_path: Path) -> None:
    """A catalog of the plain release begins without types of workflows."""
    call = call_of("load_rows", tmp_path, hostname=clinic.ml.host_name, catalog_id=str(clinic.ml.catalog_id))
    kind = "Type of test_writing"
    with recorded(call, "first of its type", kind) as writes:
        pass

    term = clinic.ml.lookup_term("Workflow_Type", kind)
    assert writes.count == 1
    assert clinic.ml.lookup_execution(writes.rid).workflow.workflow_types == [kind]
    [record] = [a for a in clinic.ml.list_execution_assets(writes.rid, "Output") if a.filename == "writes.jsonl"]
    said = json.loads(record.download(tmp_path).read_text(encoding="utf-8"))
    assert said == {"schema": "deriva-ml", "table": "Workflow_Type", "rids": [term.rid]}
    with recorded(call, "second of its type", kind) as again:
        pass
    assert again.count == 0
