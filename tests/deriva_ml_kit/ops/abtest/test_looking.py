"""A test from its plan to its verdict, in a catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.cli.ops import look_ab_test, plan_ab_test
from deriva_ml_kit.cli.subcommand import program
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.abtest.documents import AbTestLook
from deriva_ml_kit.ops.abtest.looking import earlier_looks
from deriva_ml_kit.ops.abtest.planning import read_plan
from deriva_ml_kit.ops.abtest.registering import register
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.kinds import AssetType, WorkflowType
from deriva_ml_kit.ops.operation import operation

pytestmark = pytest.mark.catalog

PLAN = """
slug = "reminder-model"
question = "Do more patients come?"
decision = "Win: promote."
starts = 2024-01-01T00:00:00Z
unit = "patient"
time = "time"
baseline = 0.4
effect = 0.2
per_day = 30
arms = [ { name = "control", weight = 0.5 }, { name = "treatment", weight = 0.5 } ]
[metric]
name = "attendance"
kind = "rate"
column = "came"
"""


@pytest.fixture
def typed(hospital: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A command as it is typed, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    made = program("deriva-ml-ops", "", "")
    subparsers = made.add_subparsers()
    plan_ab_test.add(subparsers)
    look_ab_test.add(subparsers)

    def run(name: str, *words: str) -> Any:
        where = ("--hostname", hospital.ml.host_name, "--catalog-id", str(hospital.ml.catalog_id))
        args = made.parse_args([name, *where, *words])
        return args.main(args)

    return run


def test_a_test_from_its_plan_to_its_verdict(typed: Any, visits: Any, hospital: Any, tmp_path: Path) -> None:
    ml, file, data = hospital.ml, tmp_path / "plan.toml", tmp_path / "visits.csv"
    file.write_text(PLAN)
    plan = read_plan(file)

    assert "plan_rid" not in typed("plan-ab-test", str(file), "--dry-run")
    bound = typed("plan-ab-test", str(file))
    assert (tmp_path / bound["design"]).read_text().count(bound["plan_rid"]) == 1
    again = typed("plan-ab-test", str(file))
    assert (again["plan_rid"], bound["was_there"], again["was_there"]) == (bound["plan_rid"], False, True)
    with pytest.raises(UsageError, match="cannot be changed"):
        register(ml, plan.model_copy(update={"alpha": 0.1}))
    with pytest.raises(UsageError, match="The salt 'reminder-model' is that of reminder-model"):
        register(ml, plan.model_copy(update={"slug": "another"}))
    with pytest.raises(UsageError, match="is no model"):
        arms = (plan.arms[0].model_copy(update={"model_rid": bound["plan_rid"]}), plan.arms[1])
        register(ml, plan.model_copy(update={"slug": "another", "salt": "x", "arms": arms}))

    visits(plan, plan.units // 3).to_csv(data, index=False)
    rehearsed = typed("look-ab-test", "reminder-model", "--data", str(data), "--dry-run")
    assert rehearsed.exit_code == 0
    assert not {"metric", "verdict"} & rehearsed.keys()
    first = typed("look-ab-test", "reminder-model", "--data", str(data))
    assert (first["verdict"], first["look"], first.exit_code) == ("continue", 1, 2)

    # Somebody else has a look that leaves nothing behind, and the catalog knows.
    lost = ml.create_execution(workflow=hospital.workflow("AB_Test", "peek"), assets=[bound["plan_rid"]])
    with pytest.raises(RuntimeError), lost:
        raise RuntimeError("interrupted")
    with operation(ml, "Visits", program=("Log", WorkflowType.PREDICTION, "deriva_ml_kit.ops.predictions")) as logged:
        visits(plan, plan.units // 2, came=0.8).to_csv(logged.file("visits.csv", AssetType.PREDICTION_LOG), index=False)
    page = tmp_path / "page.html"
    second = typed("look-ab-test", bound["plan_rid"], "--data", logged.rids["visits.csv"], "--page", str(page))
    assert (second["verdict"], second["look"], second.exit_code) == ("win", 3, 0)
    look = fetch(ml, second["files"]["look.json"], AbTestLook).document
    assert [each.documented for each in look.earlier] == [True, False]
    assert look.primary and abs(look.primary.z) > look.primary.boundary
    inputs = {each.asset_rid for each in ml.list_execution_assets(second["execution_rid"], "Input")}
    assert inputs == {bound["plan_rid"], logged.rids["visits.csv"]}
    assert "left nothing, counts nevertheless" in page.read_text() and "after the start" in page.read_text()
    assert {each.execution_rid for each in earlier_looks(ml, bound["plan_rid"])} >= {str(lost.execution_rid)}

    with pytest.raises(UsageError, match="has ended: win"):
        typed("look-ab-test", "reminder-model", "--data", str(data))
    with pytest.raises(UsageError, match="no plans of the name nothing"):
        typed("look-ab-test", "nothing", "--data", str(data))
