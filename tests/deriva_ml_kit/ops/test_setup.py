"""What a catalog needs is added once, by executions that name it, whatever interrupts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from deriva.core.ermrest_model import Schema

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.kinds import MODELS, STAGES, TERMS
from deriva_ml_kit.ops.setup import require, setup

pytestmark = pytest.mark.catalog


def test_what_was_cut_short_is_named_and_completed(faulty_host: Any, local_host: Any) -> None:
    from deriva_ml_kit.mainline import DerivaML, create_ml_catalog  # noqa: PLC0415  (reads HOME)

    catalog = create_ml_catalog(local_host.hostname, project_name="ward")
    catalog.getCatalogModel().create_schema(Schema.define("ward"))
    ml = DerivaML(faulty_host.hostname, catalog.catalog_id, working_dir=Path.home() / "ward")
    wanted = setup(ml, dry_run=True).added
    assert len(wanted) == sum(map(len, TERMS.values())) + 3
    assert not list(ml.find_executions())
    with pytest.raises(UsageError, match="not prepared"):
        require(ml)

    faulty_host.fail("drop", "POST", "/schema/ward/table", skip=1)  # the vocabulary is made, the feature is not
    with pytest.raises(requests.ConnectionError):
        setup(ml)
    (broken,) = ml.find_executions()
    assert broken.status.value == "Failed"
    first = named(ml, broken.execution_rid)
    assert "failed" in first[-1]
    faulty_host.work()

    ml = DerivaML(faulty_host.hostname, catalog.catalog_id, working_dir=Path.home() / "ward")
    done = setup(ml)
    assert done.added == wanted[-2:]
    require(ml)
    second = named(ml, str(done.execution_rid))
    rows = [rid for line in (*first, *second) for rid in line.get("rids", [])]
    assert len(set(rows)) == sum(map(len, TERMS.values())) + 1  # each term, and the name of the feature
    assert [line["made"] for line in (*first, *second) if "made" in line] == ["table", "table", "key"]
    nullable = {
        column.name for column in ml.model.lookup_feature(MODELS, STAGES).feature_table.columns if column.nullok
    }
    assert nullable == {"RCB", "RMB", "Training", "Approved_By", "Forced", "Evidence"}
    assert setup(ml) == setup(ml, dry_run=True)


def named(ml: Any, execution: str) -> list[dict[str, Any]]:
    (record,) = [each for each in ml.list_execution_assets(execution, "Output") if each.filename == "writes.jsonl"]
    return [json.loads(line) for line in record.download(ml.working_dir / execution).read_text().splitlines()]
