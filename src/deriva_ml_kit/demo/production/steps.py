"""The steps of `ops-demo`: each types what a person would type in the project, and tells in a line what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deriva_ml_kit.demo.production import batches, texts, traffic
from deriva_ml_kit.demo.state import State
from deriva_ml_kit.demo.steps import Result, Run, Step, commit
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.project.sources import plugin_root

NAME = "digits"
PERSON = "the demonstration"
SMALL, LARGE = 8, 48  # hidden units of the first model and of its successor
PAGES = Path("outputs/pages")
LOGS = Path("outputs/predictions")
SPLIT = Path("outputs/split.json")
RULES = Path("docs/design/rollout.toml")
TRAIN = ("uv", "run", "deriva-ml-run", "+experiment=my_experiment", "assets=criteria")
UNITS = 1200  # of an A/B test
REQUESTS = (220, 1700, 450, 250)  # to the server in each stage of a rollout
REGISTERED_BY = 6  # seconds after which a test begins: its plan is in the catalog by then
FAILING = 0.1  # share of the faulty deployment's answers that fail


@dataclass
class Production(Run):
    """A run of the demonstration.

    Attributes:
        cycle: What cycle zero did in the project.
    """

    cycle: State = field(default_factory=lambda: State(Path()))

    @property
    def host(self) -> str:
        """The host of cycle zero."""
        return str(self.cycle.result("host")["hostname"])

    @property
    def catalog(self) -> str:
        """Its catalog."""
        return str(self.cycle.result("schema")["catalog_id"])

    def model(self, step: str) -> str:
        """RID of the model that a step trained."""
        return str(self.state.result(step)["model"])


def _ops(run: Run, *words: str, codes: tuple[int, ...] = (0,)) -> Result:
    return run.shell.run_json("uv", "run", "deriva-ml-ops", *words, codes=codes)


def _move(run: Run, model: str, stage: str, *words: str) -> None:
    """Register or promote a model, unless an interrupted run has done so already."""
    what = ("register-model",) if stage == "Candidate" else ("promote", "--to", stage)
    moved = _ops(run, *what, "--name", NAME, "--model", model, *words, codes=(0, 2))
    if "error" in moved:
        known = _ops(run, "what-served", "--name", NAME, "--history", codes=(0, 1, 2)).get(NAME, {})
        if not any((step["model_rid"], step["stage"]) == (model, stage) for step in known.get("history", ())):
            raise KitError(moved["error"]["message"], remedy=moved["error"].get("remedy"))


def _write(run: Run, name: str | Path, text: str) -> Path:
    path = run.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _prepare(run: Run) -> Result:
    """Criteria before any candidate is trained, and the templates with their regions filled in."""
    template = plugin_root() / "skills/ml-ops/scripts"
    _write(run, "docs/design/criteria.toml", texts.CRITERIA.format(testing=run.pin("testing")))
    evaluate, serve = (
        (template / name).read_text(encoding="utf-8") for name in ("evaluate_model.py", "serve_model.py")
    )
    _write(run, "src/scripts/evaluate_model.py", texts.edited(evaluate, {"inputs": texts.INPUTS}))
    regions = {"imports": texts.SERVE_IMPORTS, "load": texts.SERVE_LOAD, "transform": texts.SERVE_TRANSFORM}
    _write(run, "src/scripts/serve_model.py", texts.edited(serve, regions))
    _write(run, RULES, texts.RULES)
    commit(run.shell, "Criteria of the gate, rules of a rollout, scripts for evaluation and service")
    _ops(run, "setup")
    registered = _ops(run, "register-criteria", "docs/design/criteria.toml")
    assets = run.folder / "src/configs/assets.py"
    text = assets.read_text(encoding="utf-8")
    if 'name="criteria"' not in text:
        assets.write_text(text + texts.ASSETS.format(rid=registered["criteria_rid"]), encoding="utf-8")
    commit(run.shell, f"Trainings get the criteria {registered['criteria_rid']}")
    return registered


def _tiers(run: Run) -> Result:
    """There is new code in the project, so it goes through tiers 1 and 2 again before anything large."""
    rid, _, version = run.pin("development").partition("@")
    small = (f"datasets.training.rid={rid}", f"datasets.training.version={version}", "model_config.epochs=3")
    run.shell.run_json(*TRAIN, *small, "dry_run=true")
    return run.shell.run_json(*TRAIN, *small)


def _train(run: Run, *overrides: str) -> Result:
    """A training through tier 1 and tier 3, and its evaluation on the test dataset."""
    run.shell.run_json(*TRAIN, *overrides, "dry_run=true")
    trained = run.shell.run_json(*TRAIN, *overrides)
    (model,) = (each["rid"] for each in trained["outputs"] if each["filename"] == "digit_classifier.joblib")
    evaluated = run.script(
        "evaluate_model.py",
        *("--workflow-type", "Testing", "--model", model, "--dataset", run.pin("testing")),
        *("--table", "Image", "--label", "Digit"),
    )
    return {
        "model": model,
        "execution": trained["execution_rid"],
        "accuracy": evaluated["metrics"]["accuracy"],
        "earlier": len(evaluated["earlier_looks"]),
    }


def _gate(run: Run, model: str, *against: str, page: str) -> Result:
    """Judge; 1 is a verdict, too."""
    (run.folder / PAGES).mkdir(parents=True, exist_ok=True)
    return _ops(run, "gate", "--model", model, *against, "--page", str(PAGES / page), codes=(0, 1))


def _first(run: Run) -> Result:
    trained = _train(run, f"model_config.hidden_units={SMALL}", "model_config.epochs=10")
    model = trained["model"]
    judged = _gate(run, model, "--no-incumbent", page="gate-first.html")
    _move(run, model, "Candidate", "--reason", "the first one")
    _move(run, model, "Staging", "--reason", "it passed its gate")
    approval = f"{PERSON}: better than guessing, and nothing else is there"
    _move(run, model, "Production", "--approve", approval)
    return {**trained, "gate": judged["verdict"]}


def _same(run: Run) -> Result:
    """A candidate that differs by its seed: what it gains may be luck, so gate and registry refuse it."""
    trained = _train(run, f"model_config.hidden_units={SMALL}", "model_config.epochs=10", "model_config.seed=21")
    model = trained["model"]
    judged = _gate(run, model, "--production", NAME, page="gate-same.html")
    _move(run, model, "Candidate", "--reason", "another seed")
    words = ("--name", NAME, "--model", model, "--to", "Staging", "--reason", "it looked better to me")
    refused = _ops(run, "promote", *words, codes=(2,))
    return {**trained, "gate": judged["verdict"], "refused": refused["error"]["message"]}


def _better(run: Run) -> Result:
    trained = _train(run, f"model_config.hidden_units={LARGE}")
    model = trained["model"]
    judged = _gate(run, model, "--production", NAME, page="gate-better.html")
    if judged["verdict"] != "pass":
        raise KitError(f"The gate of {model} says {judged['verdict']}.", remedy=f"See {PAGES / 'gate-better.html'}.")
    _move(run, model, "Candidate", "--reason", "a larger hidden layer")
    _move(run, model, "Staging", "--reason", "it passed its gate")
    return {**trained, "gate": judged["verdict"]}


def _drift(run: Run) -> Result:
    found = {}
    for name in batches.BATCHES:
        file = run.folder / "outputs" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        batches.batch(name).to_csv(file, index=False)
        words = (
            "--model",
            NAME,
            "--file",
            str(file.relative_to(run.folder)),
            "--page",
            str(PAGES / f"drift-{name}.html"),
        )
        found[name] = _ops(run, "monitor-drift", *words, codes=(0, 1, 2))
        if "error" in found[name]:
            raise KitError(found[name]["error"]["message"])
    return found


def _rolled_back(run: Run) -> Result:
    """The larger model is put into service with a fault, which the rollout finds while few letters are concerned."""
    return _roll_out(run, "faulty", fault=str(LARGE), reason="a larger hidden layer reads better")


def _roll_out(run: Run, name: str, *, fault: str | None, reason: str) -> Result:
    assert isinstance(run, Production)
    candidate, logs = run.model("better"), LOGS / name
    page = str(PAGES / f"rollout-{name}.html")
    begun = _ops(run, "rollout", "status", "--name", NAME, codes=(0, 1, 2))
    if begun.get("state") not in {"runs", "holds"} or begun.get("candidate") != candidate:
        begun = _ops(
            run,
            *("rollout", "start", "--name", NAME, "--model", candidate, "--rules", str(RULES), "--reason", reason),
            *("--split", str(SPLIT)),
        )
    where = ("--hostname", run.host, "--catalog-id", run.catalog)
    command = (
        *("uv", "run", "python", "src/scripts/serve_model.py", *where, "--model", NAME, "--candidate", candidate),
        *("--split", str(SPLIT), "--log", str(logs)),
    )
    sent: dict[str, int] = {}
    with traffic.server(run.folder, command, fault=fault) as port:
        stages, first = [], 0
        for count in REQUESTS:
            answered = traffic.ask(port, count, first=first)
            first += count
            for status, number in answered.items():
                sent[str(status)] = sent.get(str(status), 0) + number
            approval = ("--approve", f"{PERSON}: nothing has failed")
            step = _ops(
                run,
                *("rollout", "step", "--name", NAME, "--split", str(SPLIT), "--page", page, *approval, "--log"),
                *(str(file.relative_to(run.folder)) for file in sorted((run.folder / logs).glob("*.jsonl"))),
                codes=(0, 1, 2),
            )
            if "error" in step:
                raise KitError(step["error"]["message"])
            stages.append({"stage": step["stage"], "move": step["move"], "reason": step["reason"]})
            if step["state"] != "runs":
                break
            traffic.wait(2.5)  # the server learns of the next stage, and what it did before does not count
    return {"plan": step["plan"], "state": step["state"], "steps": stages, "answers": sent}


def _ab_test(run: Run) -> Result:
    """Two tests of the two models: one is too young to tell, the other is stopped because answers fail."""
    assert isinstance(run, Production)
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.numerics.assignment import Arms  # noqa: PLC0415
    from deriva_ml_kit.ops.serving.model import fetch_model  # noqa: PLC0415

    ml = DerivaML(run.host, run.catalog)
    models = {"control": fetch_model(ml, run.model("first")), "treatment": fetch_model(ml, run.model("better"))}
    frame, digits = batches.scans()
    features = frame / 255
    found = {}
    for slug, failing in (("larger-network", 0.0), ("larger-network-as-deployed", FAILING)):
        starts = (datetime.now(UTC) + timedelta(seconds=REGISTERED_BY)).replace(microsecond=0)
        plan = texts.AB_TEST.format(
            slug=slug,
            starts=starts.isoformat().replace("+00:00", "Z"),
            control=run.model("first"),
            treatment=run.model("better"),
        )
        file = Path("docs/design") / f"{slug}.toml"
        if not (run.folder / file).exists():
            _write(run, file, plan)
            commit(run.shell, f"Plan of the A/B test {slug}")
        _ops(run, "plan-ab-test", str(file))
        commit(run.shell, f"Design document of the A/B test {slug}")
        traffic.wait(max(0.0, (starts - datetime.now(UTC)).total_seconds()))
        random = np.random.default_rng(11)
        units = [f"letter-{number}" for number in range(UNITS)]
        arms = Arms(slug, {"control": 0.5, "treatment": 0.5}).of_all(units)
        rows = random.integers(0, len(frame), UNITS)
        answers = np.where(
            arms == "treatment",
            models["treatment"].predict(features.iloc[rows]),
            models["control"].predict(features.iloc[rows]),
        )
        failed = (arms == "treatment") & (random.random(UNITS) < failing)
        data = pd.DataFrame(
            {
                "request_id": [f"{slug}-{number}" for number in range(UNITS)],
                "time": datetime.now(UTC).isoformat(),
                "unit": units,
                "arm": arms,
                "right": ((answers == digits.to_numpy()[rows]) & ~failed).astype(int),
                "failed": failed.astype(int),
            }
        )
        table = run.folder / "outputs" / f"{slug}.csv"
        data.to_csv(table, index=False)
        words = ("--data", str(table.relative_to(run.folder)), "--page", str(PAGES / f"ab-{slug}.html"))
        found[slug] = _ops(run, "look-ab-test", slug, *words, codes=(0, 1, 2))
        if "error" in found[slug]:
            raise KitError(found[slug]["error"]["message"])
    return found


def _lineage(run: Run) -> Result:
    served = _ops(run, "what-served", "--name", NAME)
    page = str(PAGES / "lineage.html")
    assert isinstance(run, Production)
    _ops(run, "lineage", "--model", run.model("first"), "--page", page)
    return served


def _trained(result: Mapping[str, Any]) -> str:
    accuracy = result["accuracy"]
    return f"{result['model']}, accuracy {accuracy['value']:.3f} [{accuracy['lower']:.3f}, {accuracy['upper']:.3f}]"


def _told_drift(result: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {each['verdict']}" for name, each in result.items())


def _told_rollout(result: Mapping[str, Any]) -> str:
    last = result["steps"][-1]
    return f"{result['state']} at {last['stage']} after {sum(result['answers'].values())} answers: {last['reason']}"


def _told_tests(result: Mapping[str, Any]) -> str:
    return "; ".join(f"{slug}: {each['verdict']}" for slug, each in result.items())


STEPS = (
    Step("prepare", "Criteria, before any training", _prepare, lambda r: f"{r['criteria_rid']} on {r['dataset']}"),
    Step(
        "tiers", "Tiers 1 and 2 for the new code", _tiers, lambda r: f"execution {r['execution_rid']}: {r['verdict']}"
    ),
    Step("first", "A first model goes into production", _first, _trained),
    Step("same", "Another seed is refused", _same, lambda r: f"{_trained(r)}, gate: {r['gate']}"),
    Step("better", "A better model passes its gate", _better, lambda r: f"{_trained(r)}, gate: {r['gate']}"),
    Step("drift", "Batches against the baseline", _drift, _told_drift),
    Step("faulty", "Its rollout is rolled back", _rolled_back, _told_rollout),
    Step("ab_test", "A/B tests", _ab_test, _told_tests),
    Step("lineage", "What serves, and where it comes from", _lineage, lambda r: json.dumps(r)[:120]),
)
