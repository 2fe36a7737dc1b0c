"""Models registered, promoted and rolled back in a catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from deriva_ml_kit.errors import KitError, Undecidable, UsageError
from deriva_ml_kit.ops.kinds import MODELS, STAGES, AssetType, Stage
from deriva_ml_kit.ops.registry import Overtaken, Step, serving, state_of
from deriva_ml_kit.ops.registry import links as links_
from deriva_ml_kit.ops.registry.events import move
from deriva_ml_kit.ops.registry.lineage import lineage_of
from deriva_ml_kit.ops.registry.lineage_page import page
from deriva_ml_kit.ops.registry.links import links_of
from deriva_ml_kit.ops.registry.moving import NotAllowed, approval, promote, rollback
from deriva_ml_kit.ops.registry.registration import Incomplete, register
from deriva_ml_kit.ops.setup import KEY, setup

pytestmark = pytest.mark.catalog
APPROVED = "Ann: fewer misses"


@pytest.fixture(scope="module")
def models(hospital: Any) -> tuple[str, str]:
    """A model to which nothing is missing, and one without criteria, baseline and evaluation."""
    import registered  # noqa: PLC0415  (reads HOME)

    whole = registered.complete(hospital, (registered.criteria(hospital),), 1)
    return whole, registered.train(hospital, seed=2, without=AssetType.BASELINE_PROFILE)


@pytest.fixture(scope="module")
def put(hospital: Any) -> Callable[[str, str, dict[str, Any]], Any]:
    """Change a column of a row behind everybody's back; gives a context that restores it."""

    @contextmanager
    def changed(table: str, rid: str, column: str, value: Any) -> Iterator[None]:
        path = f"/attributegroup/deriva-ml:{table}/RID;{column}"
        (before,) = hospital.ml.catalog.get(f"/attribute/deriva-ml:{table}/RID={rid}/{column}").json()
        hospital.ml.catalog.put(path, json=[{"RID": rid, column: value}])
        try:
            yield
        finally:
            hospital.ml.catalog.put(path, json=[{"RID": rid, **before}])

    return changed  # type: ignore[return-value]


def missing(hospital: Any, model: str) -> list[str]:
    return [link.name for link in links_of(hospital.ml, model).missing]


def test_every_missing_link_is_named_and_all_at_once(hospital: Any, models: tuple[str, str], put: Any) -> None:
    ml, (whole, gaps) = hospital.ml, models
    assert missing(hospital, whole) == []
    with pytest.raises(Incomplete) as refused:
        register(ml, "gaps", gaps)
    assert refused.value.as_json()["missing"] == ["criteria", "baseline", "evaluation"]

    training = str(links_of(ml, whole).training_rid)
    workflow = ml.lookup_execution(training).workflow_rid
    with put(MODELS, whole, "MD5", "0" * 32), put("Execution", training, "Status", "Failed"):
        assert missing(hospital, whole) == ["file", "training", "evaluation"]  # the report was of other bytes
    described = "Train\n\nRun with uncommitted changes in: train.py"
    with put("Workflow", workflow, "Checksum", None), put("Execution", training, "Description", described):
        assert missing(hospital, whole) == ["code", "clean tree"]
    (used,) = ml.catalog.get(f"/entity/deriva-ml:Dataset_Execution/Execution={training}").json()
    asset = ml.lookup_asset(whole)
    asset.remove_asset_type(AssetType.MODEL_FILE)
    with put("Dataset_Execution", used["RID"], "Dataset_Version", None):
        assert missing(hospital, whole) == ["asset", "datasets"]
    asset.add_asset_type(AssetType.MODEL_FILE)
    outputs = {each: ml.lookup_asset(each) for link in links_of(ml, whole).links for each in link.evidence[:1]
               if link.name in links_.OUTPUTS}  # fmt: skip
    for each in outputs.values():
        each.add_asset_type("Execution_Asset")
        for kind in set(each.asset_types) - {"Execution_Asset"}:
            each.remove_asset_type(kind)
    assert missing(hospital, whole) == list(links_.OUTPUTS)
    for each, link in zip(outputs.values(), links_.OUTPUTS, strict=True):
        each.add_asset_type(links_.OUTPUTS[link][0])
    assert missing(hospital, whole) == []


def test_criteria_that_came_after_the_training_do_not_count(hospital: Any, models: tuple[str, str]) -> None:
    import registered  # noqa: PLC0415  (reads HOME)

    late = registered.criteria(hospital, "what the training reached")
    training = links_of(hospital.ml, models[1]).training_rid
    row = {"Execution": training, MODELS: late, "Asset_Role": "Input"}
    hospital.ml.pathBuilder.schemas["deriva-ml"].tables[f"{MODELS}_Execution"].insert([row])
    (link,) = [link for link in links_of(hospital.ml, models[1]).links if link.name == "criteria"]
    assert not link.complete
    assert "only after the training had begun" in link.found


def test_the_same_bytes_trained_again_with_what_was_missing_are_complete(
    hospital: Any, models: tuple[str, str]
) -> None:
    import registered  # noqa: PLC0415  (reads HOME)

    again = registered.train(hospital, seed=2)
    assert again == models[1]  # one asset, two executions
    assert missing(hospital, again) == ["criteria", "evaluation"]


@pytest.mark.parametrize(
    ("name", "model", "told"),
    [("", "1-ZZZZ", "no name"), ("new", "1-ZZZZ", "no RID 1-ZZZZ"), ("new", "dataset", "is no model")],
)
def test_what_is_no_model_is_refused(hospital: Any, name: str, model: str, told: str) -> None:
    rid = hospital.training.partition("@")[0] if model == "dataset" else model
    with pytest.raises(KitError, match=told):
        register(hospital.ml, name, rid)


def test_a_model_goes_into_production_by_gate_and_approval(
    hospital: Any, models: tuple[str, str], faulty_host: Any
) -> None:
    """Registration, gate, approval, production, replacement; and what is told of it afterwards."""
    import registered  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415

    ml, (first, second) = hospital.ml, models
    assert register(ml, "tumours", first, dry_run=True)[0] is None
    assert not state_of(ml, "tumours").events
    made, _ = register(ml, "tumours", first)
    assert made is not None
    assert (made.version, made.stage, made.forced) == (1, Stage.CANDIDATE, ())
    with pytest.raises(UsageError, match="version 1, Candidate"):
        register(ml, "tumours", first)
    register(ml, "tumours", second, force="a rehearsal")
    with pytest.raises(NotAllowed, match="cannot go to Production, but Staging"):
        promote(ml, "tumours", first, Stage.PRODUCTION, reason="", approved_by=APPROVED)
    with pytest.raises(NotAllowed, match="has not passed a gate"):
        promote(ml, "tumours", first, Stage.STAGING, reason="complete")
    report = registered.gate(hospital, first, None)
    promote(ml, "tumours", first, Stage.STAGING, reason="complete")
    with pytest.raises(NotAllowed, match="approves"):
        promote(ml, "tumours", first, Stage.PRODUCTION, reason="better")
    moved = promote(ml, "tumours", first, Stage.PRODUCTION, reason="better", approved_by=APPROVED)
    assert moved is not None
    assert (moved.model.stage, moved.replaced, moved.evidence) == (Stage.PRODUCTION, None, report)

    with pytest.raises(Incomplete):
        promote(ml, "tumours", second, Stage.STAGING, reason="next")
    registered.gate(hospital, second, first)
    promote(ml, "tumours", second, Stage.STAGING, reason="next", force="a rehearsal, still")
    promote(ml, "tumours", second, Stage.SHADOW, reason="compare")
    promote(ml, "tumours", second, Stage.STAGING, reason="slow")  # the way back asks for nothing

    through = DerivaML(faulty_host.hostname, ml.catalog_id, working_dir=Path.home() / "through")
    faulty_host.forget()
    moved = promote(through, "tumours", second, Stage.PRODUCTION, reason="better", approved_by=APPROVED)
    assert moved is not None and moved.replaced is not None
    assert (moved.model.model_rid, moved.replaced.model_rid, moved.replaced.stage) == (second, first, Stage.ARCHIVED)
    assert [each.method for each in faulty_host.seen(path=STAGES)] == ["GET", "POST"]
    assert moved.model.forced[0].endswith("a rehearsal")

    for time, rid in ((moved.model.since, second), (moved.model.since - timedelta(microseconds=1), first)):
        then = serving(ml, "tumours", at=time)
        assert then is not None and then.model_rid == rid
    assert serving(ml, "tumours", at=made.since - timedelta(days=1)) is None


def test_a_rollback_restores_what_was_before(hospital: Any, models: tuple[str, str], put: Any) -> None:
    ml, first = hospital.ml, models[0]
    with pytest.raises(NotAllowed, match="rollback --name tumours"):
        promote(ml, "tumours", first, Stage.PRODUCTION, reason="again", approved_by=APPROVED)
    with put(MODELS, first, "MD5", "0" * 32), pytest.raises(KitError, match="not what was registered"):
        rollback(ml, "tumours", reason="misses")
    rollback(ml, "tumours", reason="misses")
    there = serving(ml, "tumours")
    assert there is not None
    assert (there.model_rid, there.version, there.training_rid) == (first, 1, links_of(ml, first).training_rid)
    assert "misses" in (ml.lookup_execution(there.execution_rid).description or "")
    with pytest.raises(NotAllowed, match="nothing to go back to"):
        rollback(ml, "tumours", reason="misses")
    with pytest.raises(UsageError, match="there are: tumours"):
        serving(ml, "tumuors")


def test_lineage_tells_where_it_comes_from_and_what_became_of_it(hospital: Any, models: tuple[str, str]) -> None:
    found = lineage_of(hospital.ml, models[0])
    assert found.sources[0].datasets == (hospital.training,)
    assert found.sources[0].commit == "0123456789abcdef" * 2 + "01234567"
    assert [step["stage"] for step in found.names[0].steps][-3:] == ["Production", "Archived", "Production"]
    assert [gate.verdict for gate in found.gates] == ["pass"]
    assert [each.dataset for each in found.evaluations] == [hospital.testing]
    assert hospital.training.partition("@")[0] in found.findings[0]  # it was released by no execution
    text = page(found, hostname="h", catalog_id="1")
    assert "13 of 13 links are complete" in text
    assert APPROVED in text
    gaps = page(lineage_of(hospital.ml, models[1]), hostname="h", catalog_id="1")
    assert "missing: criteria, evaluation" in gaps
    assert "a rehearsal, still" in gaps


def test_commands_tell_the_same(hospital: Any, models: tuple[str, str], ops: Any, tmp_path: Path) -> None:
    where = ("--hostname", hospital.ml.host_name, "--catalog-id", hospital.ml.catalog_id)
    first, second = models
    code, said = ops("what-served", *where, "--name", "tumours", "--history")
    assert (code, said["tumours"]["model"]) == (0, first)
    assert [step["sequence"] for step in said["tumours"]["history"]] == list(range(1, 12))
    assert said["tumours"]["history"][3]["approved_by"] == APPROVED
    code, said = ops("what-served", *where, "--name", "tumours", "--at", "2020-01-01")
    assert (code, said["at"], said["tumours"]["model"]) == (1, "2020-01-01T00:00:00+00:00", None)
    code, said = ops("what-served", *where, "--stage", "archived")
    assert (code, said["tumours"]["model"], said["tumours"]["forced"][0][-11:]) == (0, second, "a rehearsal")
    code, said = ops("register-model", *where, "--name", "other", "--model", second, "--dry-run")
    assert (code, said["error"]["missing"]) == (2, ["criteria", "evaluation"])
    code, said = ops("register-model", *where, "--name", "other", "--model", first, "--dry-run")
    assert (code, said["status"], said["completeness"]) == (0, "could be registered", 1)
    code, said = ops("promote", *where, "--name", "tumours", "--model", first, "--to", "production", "--approve", "Ann")
    assert (code, said["error"]["type"]) == (2, "UsageError")
    code, said = ops("rollback", *where, "--name", "tumours", "--to", second, "--reason", "x", "--dry-run")
    assert (code, said["status"]) == (0, f"would restore {second}, version 2")
    code, said = ops("lineage", *where, "--name", "tumours", "--page", str(tmp_path / "page.html"))
    assert (code, said["score"]) == (1, 1)  # its data are of unknown origin
    assert first in (tmp_path / "page.html").read_text(encoding="utf-8")
    code, said = ops("setup", *where)
    assert (code, said["status"]) == (0, "nothing to do")


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "--name", "n", "--model", "m", "--to", "heaven"),
        ("what-served", "--at", "yesterday"),
        ("lineage",),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(ops: Any, arguments: tuple[str, ...]) -> None:
    code, said = ops(*arguments)
    assert (code, said["error"]["type"]) == (2, "UsageError")


@pytest.mark.parametrize("text", ["Ann", "Ann:", ": because", " : "])
def test_an_approval_has_a_name_and_a_reason(text: str) -> None:
    with pytest.raises(UsageError, match="no approval"):
        approval(text)


@pytest.fixture(scope="module")
def many(hospital: Any) -> list[tuple[str, str]]:
    """Twenty executions and files, as bare rows."""
    tables = hospital.ml.pathBuilder.schemas["deriva-ml"].tables
    executions = tables["Execution"].insert([{"Description": "promoter", "Status": "Running"} for _ in range(20)])
    files = [{"URL": f"/hatrac/x/{n}", "Filename": "m", "Length": 1, "MD5": f"{n:032x}"} for n in range(20)]
    assets = tables[MODELS].insert(files)
    return [(execution["RID"], asset["RID"]) for execution, asset in zip(executions, assets, strict=True)]


def test_of_twenty_promoters_at_once_each_is_heard_and_one_wins(hospital: Any, many: list[tuple[str, str]]) -> None:
    """Each may promote only what was judged against what is in production: nothing, at first."""

    def candidate(each: tuple[str, str]) -> Any:
        return move(hospital.ml, "race", each[0], lambda state: [Step(each[1], "0", Stage.CANDIDATE, "new")])

    def production(each: tuple[str, str]) -> str:
        def decide(state: Any) -> list[Step]:
            if there := state.at(Stage.PRODUCTION):
                raise NotAllowed(f"{there.rid} is in production")
            return [Step(each[1], "0", Stage.PRODUCTION, "go")]

        # Executions of the first step cannot take a second one of the same model.
        execution = many[(many.index(each) + 1) % len(many)][0]
        try:
            return f"won {move(hospital.ml, 'race', execution, decide, first=before).name}"
        except Overtaken as overtaken:
            return str(overtaken)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(candidate, many[:6]))
        steps = [Step(model, "0", Stage.CANDIDATE, "new") for _, model in many[6:]]
        move(hospital.ml, "race", many[6][0], lambda _: steps)
        before = state_of(hospital.ml, "race")
        answers = list(pool.map(production, many))
    assert [event.sequence for event in before.events] == list(range(1, 21))
    after = state_of(hospital.ml, "race")
    winner = after.at(Stage.PRODUCTION)
    assert winner is not None and after.last == 21
    assert answers.count("won race") == 1
    told = f"step 21: execution {winner.since.execution_rid} moved {winner.rid} to Production at 2"
    assert sum(told in answer for answer in answers) == 19


def test_an_answer_that_was_lost_is_found(hospital: Any, many: list[tuple[str, str]], faulty_host: Any) -> None:
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (reads HOME)

    through = DerivaML(faulty_host.hostname, hospital.ml.catalog_id, working_dir=Path.home() / "through")
    model = many[7][1]
    faulty_host.fail("lose", "POST", STAGES)
    state = move(through, "lost", many[9][0], lambda _: [Step(model, "0", Stage.CANDIDATE, "new")])
    assert len(faulty_host.seen("POST", STAGES)) == 1
    assert [event.execution_rid for event in state.events] == [many[9][0]]


def test_without_the_key_the_first_one_counts_and_setup_says_so(hospital: Any, many: list[tuple[str, str]]) -> None:
    ml = hospital.ml
    table = ml.model.lookup_feature(MODELS, STAGES).feature_table
    (key,) = [key for key in table.keys if {column.name for column in key.unique_columns} == set(KEY)]
    key.drop()
    stale = state_of(ml, "keyless")
    # One execution takes one step of a model: these pairs took none in the race.
    one, two = (many[2][0], many[13][1]), (many[3][0], many[12][1])
    move(ml, "keyless", one[0], lambda _: [Step(two[1], "0", Stage.CANDIDATE, "new")])
    with pytest.raises(Overtaken, match=f"execution {one[0]} moved {two[1]}"):
        move(ml, "keyless", two[0], lambda _: [Step(one[1], "0", Stage.CANDIDATE, "new")], first=stale)
    assert list(state_of(ml, "keyless").models) == [two[1]]

    done = setup(ml)
    assert done.warning is not None and "races are found after the fact" in done.warning
    rows = f"/entity/{table.schema.name}:{table.name}/Model_Name=keyless"
    ml.catalog.delete(f"{rows}/Execution={two[0]}")
    assert setup(ml, dry_run=True).added == ["key (Model_Name, Sequence) of feature Model_Stage"]
    done = setup(ml)
    assert (len(done.added), done.warning) == (1, None)
    (record,) = [each for each in ml.list_execution_assets(done.execution_rid, "Output") if "writes" in each.filename]
    (line,) = record.download(ml.working_dir / "writes").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) | {"made": "key", "table": table.name} == json.loads(line)
    assert setup(ml).added == []


def test_a_deleted_step_is_noticed(hospital: Any) -> None:
    table = hospital.ml.model.lookup_feature(MODELS, STAGES).feature_table
    hospital.ml.catalog.delete(f"/entity/{table.schema.name}:{table.name}/Model_Name=race/Sequence=3")
    with pytest.raises(Undecidable, match="after step 2 comes 4"):
        serving(hospital.ml, "race")


def test_the_catalog_refuses_a_step_of_what_is_no_model(hospital: Any, many: list[tuple[str, str]]) -> None:
    with pytest.raises(requests.HTTPError, match="409"):
        move(hospital.ml, "odd", many[5][0], lambda _: [Step("1-ZZZZ", "0", Stage.CANDIDATE, "new")])
