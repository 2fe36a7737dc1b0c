"""The registry: requests of a promotion, broken registrations, promoters at once; and access errors told apart.

It runs in a process of its own, with a `deriva-local` of its own. MLflow does it beside, where it is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2] / "tests" / "support")]

from ops_bench.goal import Goal  # noqa: E402  (this file is a program, too)

NAME = "tumours"
PROMOTERS = 20
STAFF = "https://auth.globus.org/176baec4-ed26-11e5-8e88-22000ab4b42b"  # may read, says the release's policy


def goals(quick: bool) -> Iterator[Goal]:
    """Measure."""
    command = [sys.executable, str(HERE), *(["--quick"] if quick else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield Goal(**json.loads(line))
    if process.returncode:
        yield Goal("registry", "the benchmark runs to its end", f"exit code {process.returncode}", False)
    if importlib.util.find_spec("mlflow"):
        yield mlflow_accepts()
    else:
        yield Goal("registry", "for contrast: what MLflow's registry accepts", "not measured: no mlflow here", None)


def measured(quick: bool) -> Iterator[Goal]:
    """Measure, with a host of its own."""
    from own_host import own_host  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="registry-bench-") as folder, own_host(Path(folder)) as hostname:
        from hospital import hospital  # noqa: PLC0415  (reads HOME)

        of = hospital(hostname)
        yield from broken(of)
        yield from round_trips(of)
        yield at_once(of, "threads", PROMOTERS)
        if not quick:
            yield at_once(of, "processes", PROMOTERS)
        yield told_apart(of, Path(folder))


class Counted:
    """Requests that a connection, and the object store, are sent meanwhile, by what they are for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    @contextmanager
    def counting(self) -> Iterator[Counted]:
        """Count while this lasts."""
        from deriva_ml_kit.mainline.catalog.transport import PersistentAdapter  # noqa: PLC0415

        send = PersistentAdapter.send

        def noted(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            self.seen.append((request.method, request.path_url))
            return send(adapter, request, *args, **kwargs)

        PersistentAdapter.send = noted  # type: ignore[method-assign]
        try:
            yield self
        finally:
            PersistentAdapter.send = send  # type: ignore[method-assign]


def round_trips(of: Any) -> Iterator[Goal]:
    """Of a promotion that replaces a model, and of a rollback: the registry's own, and all."""
    import registered  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.ops.kinds import Stage  # noqa: PLC0415
    from deriva_ml_kit.ops.registry import moving  # noqa: PLC0415
    from deriva_ml_kit.ops.registry.registration import register  # noqa: PLC0415

    models = [registered.train(of, seed=seed) for seed in (11, 12)]
    before = None
    for model in models:
        register(of.ml, NAME, model, force="a benchmark")
        moving.promote(of.ml, NAME, model, Stage.STAGING, reason="next", force="a benchmark")
        registered.gate(of, model, before)
        before = model
    moving.promote(of.ml, NAME, models[0], Stage.PRODUCTION, reason="first", approved_by="Ann: first")

    def promote() -> Any:
        return moving.promote(of.ml, NAME, models[1], Stage.PRODUCTION, reason="better", approved_by="Ann: better")

    def rollback() -> Any:
        return moving.rollback(of.ml, NAME, reason="misses")

    gate, operation = moving.passing_gate, moving.operation
    for what, work in (("promote", promote), ("rollback", rollback)):
        marks: dict[str, int] = {"gate": 0}
        with Counted().counting() as requests:

            def gated(*args: Any, requests: Counted = requests, marks: dict[str, int] = marks) -> Any:
                begun = len(requests.seen)
                found = gate(*args)
                marks["gate"] = len(requests.seen) - begun
                return found

            def begun(*args: Any, requests: Counted = requests, marks: dict[str, int] = marks, **kwargs: Any) -> Any:
                marks["execution"] = len(requests.seen)
                return operation(*args, **kwargs)

            moving.passing_gate, moving.operation = gated, begun
            began = time.perf_counter()
            work()
            took = time.perf_counter() - began
        moving.passing_gate, moving.operation = gate, operation
        stored = sum(method == "HEAD" for method, _ in requests.seen[: marks["execution"]])
        inserted = [path for _, path in requests.seen[marks["execution"] :] if "Model_Stage" in path]
        own = marks["execution"] - marks["gate"] - stored + len(inserted)
        yield Goal(
            "registry",
            f"{what}: at most 3 round trips to the catalog",
            f"{own} (its steps, the model's row, the new steps), and {stored} to the object store; besides, the gate "
            f"{marks['gate']}, the execution {len(requests.seen) - marks['execution'] - len(inserted)}; {took:.1f} s",
            own <= 3,
        )


def broken(of: Any) -> Iterator[Goal]:
    """Every way in which something can be missing from a model that is otherwise complete."""
    import registered  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.ops.registry.registration import Incomplete, register  # noqa: PLC0415

    criteria = registered.criteria(of)
    whole = registered.complete(of, (criteria,), 1)
    register(of.ml, "whole", whole, dry_run=True)  # raises if it is not complete
    wrong = []
    cases = list(breakages(of, whole))
    for what, link, damaged in cases:
        with damaged:
            try:
                register(of.ml, "whole", whole, dry_run=True)
                wrong.append(f"{what}: accepted")
            except Incomplete as refused:
                if link not in (names := [each.name for each in refused.links.missing]):
                    wrong.append(f"{what}: refused for {', '.join(names)}")
    register(of.ml, "whole", whole, dry_run=True)
    yield Goal(
        "registry",
        "every broken registration is refused, with the missing link by name",
        f"{len(cases) - len(wrong)} of {len(cases)}{': not ' + '; '.join(wrong) if wrong else ''}",
        not wrong,
    )


def breakages(of: Any, model: str) -> Iterator[tuple[str, str, Any]]:
    """What is damaged, the link that this breaks, and a context in which it is."""
    from deriva_ml_kit.ops.kinds import MODELS, AssetType  # noqa: PLC0415
    from deriva_ml_kit.ops.registry import links as links_  # noqa: PLC0415

    ml = of.ml
    found = {link.name: link for link in links_.links_of(ml, model).links}
    training, workflow = found["training"].evidence[0], found["code"].evidence[0]
    (used,) = ml.catalog.get(f"/entity/deriva-ml:Dataset_Execution/Execution={training}").json()
    version = used["Dataset_Version"]
    row = lambda *change: _row(ml, *change)  # noqa: E731
    yield "no Model_File", "asset", _without_type(ml, model, AssetType.MODEL_FILE)
    yield "another checksum in the catalog", "file", row(MODELS, model, "MD5", "0" * 32)
    yield "another length in the catalog", "file", row(MODELS, model, "Length", 7)
    yield "no checksum in the catalog", "file", row(MODELS, model, "MD5", "")
    yield "the file is nowhere", "file", row(MODELS, model, "URL", "/hatrac/Execution_Asset/nothing:XYZ")
    yield "the file is elsewhere", "file", row(MODELS, model, "URL", "https://example.org/model")
    for status in ("Failed", "Aborted", "Running", "Pending"):
        yield f"the training is {status}", "training", row("Execution", training, "Status", status)
    yield "no known training", "training", _gone(ml, f"{MODELS}_Execution", f"{MODELS}={model}/Asset_Role=Output")
    yield "no workflow", "code", row("Execution", training, "Workflow", None)
    yield "no URL", "code", row("Workflow", workflow, "URL", None)
    yield "no checksum", "code", row("Workflow", workflow, "Checksum", None)
    described = "Train\n\nRun with uncommitted changes in: a.py"
    yield "uncommitted changes", "clean tree", row("Execution", training, "Description", described)
    yield "no dataset", "datasets", _gone(ml, "Dataset_Execution", f"Execution={training}")
    yield "an unknown version", "datasets", row("Dataset_Execution", used["RID"], "Dataset_Version", None)
    yield "a version in development", "datasets", row("Dataset_Version", version, "Version", "0.2.0.post1.dev1")
    yield "no criteria", "criteria", _without_type(ml, found["criteria"].evidence[0], AssetType.GATE_CRITERIA)
    for name, (kind, _) in links_.OUTPUTS.items():
        yield f"no {name}", name, _without_type(ml, found[name].evidence[0], kind)
        table = ml.lookup_asset(found[name].evidence[0]).asset_table
        lost = row(table, found[name].evidence[0], "URL", "/hatrac/Execution_Asset/nothing:XYZ")
        yield f"the file of {name} is nowhere", name, lost
    report, dataset = found["evaluation"].evidence
    yield "no evaluation", "evaluation", _without_type(ml, report, AssetType.EVALUATION_REPORT)
    yield "a report of other bytes", "evaluation", row(MODELS, model, "MD5", "1" * 32)
    (tested,) = ml.catalog.get(f"/entity/deriva-ml:Dataset_Version/Dataset={dataset}/Version=0.2.0").json()
    gone = row("Dataset_Version", tested["RID"], "Version", "0.9.0")
    yield "evaluated on a version that is not there", "evaluation", gone


@contextmanager
def _row(ml: Any, table: str, rid: str, column: str, value: Any) -> Iterator[None]:
    path = f"/attributegroup/deriva-ml:{table}/RID;{column}"
    (before,) = ml.catalog.get(f"/attribute/deriva-ml:{table}/RID={rid}/{column}").json()
    ml.catalog.put(path, json=[{"RID": rid, column: value}])
    try:
        yield
    finally:
        ml.catalog.put(path, json=[{"RID": rid, **before}])


@contextmanager
def _gone(ml: Any, table: str, where: str) -> Iterator[None]:
    rows = ml.catalog.get(f"/entity/deriva-ml:{table}/{where}").json()
    ml.catalog.delete(f"/entity/deriva-ml:{table}/{where}")
    try:
        yield
    finally:
        ml.catalog.post(f"/entity/deriva-ml:{table}?nondefaults=RID,RCT,RCB", json=rows)


@contextmanager
def _without_type(ml: Any, rid: str, kind: str) -> Iterator[None]:
    asset = ml.lookup_asset(rid)
    asset.remove_asset_type(str(kind))
    try:
        yield
    finally:
        asset.add_asset_type(str(kind))


def at_once(of: Any, how: str, count: int) -> Goal:
    """Each brings a model of its own that passed its gate while nothing was in production; they start together."""
    from deriva_ml_kit.ops.kinds import Stage  # noqa: PLC0415
    from deriva_ml_kit.ops.registry import state_of  # noqa: PLC0415

    name = f"race of {how}"
    models = candidates(of, name, count)
    before = state_of(of.ml, name)
    run = _in_threads if how == "threads" else _in_processes
    answers, took = run(of, name, models)
    after = state_of(of.ml, name)
    winner = after.at(Stage.PRODUCTION)
    in_production = sum(model.stage is Stage.PRODUCTION for model in after.models.values())
    executions = Counter(
        record.status.value
        for record in of.ml.find_executions()
        if f"({name}) to Production" in str(record.description)
    )
    met = in_production == 1 and answers == Counter(won=1, told=count - 1) and after.last == before.last + 1
    return Goal(
        "registry",
        f"{count} promoters at once ({how}): exactly one Production, every attempt on record",
        f"{in_production} in production ({winner.rid if winner else None}), {dict(answers)}, executions "
        f"{dict(executions)}, {after.last - before.last} step; {took:.1f} s",
        met,
    )


def candidates(of: Any, name: str, count: int) -> list[str]:
    """Models in Staging, each with a gate that it passed while nothing was in production."""
    import registered  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.ops.kinds import AssetType, Stage  # noqa: PLC0415
    from deriva_ml_kit.ops.operation import operation  # noqa: PLC0415
    from deriva_ml_kit.ops.registry import Step, state_of  # noqa: PLC0415
    from deriva_ml_kit.ops.registry.events import move  # noqa: PLC0415

    with operation(of.ml, "Train many", program=registered.PROGRAM) as doing:
        for number in range(count):
            doing.file(f"{name} {number}.joblib", AssetType.MODEL_FILE).write_text(f"{name} {number}")
        trained = doing
    models = [of.ml.lookup_asset(rid) for file, rid in trained.rids.items() if file.endswith(".joblib")]
    for stage in (Stage.CANDIDATE, Stage.STAGING):
        with operation(of.ml, f"All {stage}", program=registered.PROGRAM) as doing:
            steps = [Step(model.asset_rid, model.md5, stage, "race") for model in models]
            move(of.ml, name, doing.rid, lambda _, steps=steps: steps)
    assert len(state_of(of.ml, name).models) == count
    for model in models:
        registered.gate(of, model.asset_rid, None)
    return [model.asset_rid for model in models]


def _in_threads(of: Any, name: str, models: list[str]) -> tuple[Counter[str], float]:
    import threading  # noqa: PLC0415

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415
    from deriva_ml_kit.ops.kinds import Stage  # noqa: PLC0415
    from deriva_ml_kit.ops.registry import Overtaken, moving  # noqa: PLC0415

    together = threading.Barrier(len(models))
    connections = [
        DerivaML(of.ml.host_name, of.ml.catalog_id, working_dir=Path.home() / f"{name} {number}")
        for number in range(len(models))
    ]

    plans = [
        moving.planned(ml, name, model, Stage.PRODUCTION, reason="go", approved_by="Ann: go")
        for ml, model in zip(connections, models, strict=True)
    ]

    def one(ml: Any, plan: Any) -> str:
        together.wait()
        what = f"Move {plan.rid} ({name}) to Production"
        try:
            with moving.operation(ml, what, program=moving.PROMOTION) as doing:
                moving.advance(ml, plan, doing.rid)
        except Overtaken as overtaken:
            return "told" if overtaken.events and overtaken.events[-1].execution_rid in str(overtaken) else "silent"
        return "won"

    with ThreadPoolExecutor(len(models)) as pool:
        began = time.perf_counter()
        return Counter(pool.map(one, connections, plans)), time.perf_counter() - began


def _in_processes(of: Any, name: str, models: list[str]) -> tuple[Counter[str], float]:
    """The command, as people and pipelines type it; a few seconds lie between the first and the last."""
    where = ["--hostname", of.ml.host_name, "--catalog-id", str(of.ml.catalog_id), "--json"]
    approved = ("--approve", "Ann: go")
    begun = [
        subprocess.Popen(
            ["deriva-ml-ops", "promote", *where, "--name", name, "--model", model, *("--to", "production"), *approved],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"HOME": str(Path.home())},
        )
        for model in models
    ]
    answers: Counter[str] = Counter()
    began = time.perf_counter()
    for process in begun:
        said = json.loads(process.communicate()[0])
        error = said.get("error", {})
        if process.returncode == 0:
            answers["won"] += 1
        elif error.get("type") in ("Overtaken", "NotAllowed"):  # while it ran, or before it began
            answers["told"] += 1
        else:
            answers[f"failed: {error}"] += 1
    return answers, time.perf_counter() - began


def told_apart(of: Any, folder: Path) -> Goal:
    """What stands in the way of a command, each in its own words and with the command that helps."""
    from deriva_local.auth import Accounts  # noqa: PLC0415
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415
    from deriva_ml_kit.ops.access import AccessError, Trouble, Where, connect, explained, wanted  # noqa: PLC0415

    ml, here = of.ml, (of.ml.host_name, str(of.ml.catalog_id))
    accounts = Accounts(folder / "local" / "accounts.sqlite")
    reader = connect(*here, credential={"bearer-token": accounts.log_in(accounts.add_user("reader", groups=[STAFF]))})
    rid = of.training.partition("@")[0]
    patient = of.rows["RID"][0]
    insert: Callable[[], Any] = lambda: reader.pathBuilder.schemas["hospital"].tables["Tumour"].insert([{}])  # noqa: E731
    fetch = lambda rid, version: ml.download_dataset_bag(DatasetSpec(rid=rid, version=version))  # noqa: E731
    situations: list[tuple[Trouble, Callable[[], Any], tuple[str, str]]] = [
        (Trouble.UNREACHABLE, lambda: connect("localhost:1", "1"), here),
        (Trouble.UNREACHABLE, lambda: connect("no-host.invalid", "1"), here),
        (Trouble.NO_CATALOG, lambda: connect(here[0], "4711"), here),
        (Trouble.NOT_LOGGED_IN, lambda: connect(*here, credential={"bearer-token": "ended"}), here),
        (Trouble.NO_RIGHT, insert, here),
        (Trouble.RID_MISSING, lambda: ml.lookup_dataset("9-ZZZZ"), here),
        (Trouble.RID_MISSING, lambda: ml.lookup_asset("9-ZZZZ"), here),
        (Trouble.RID_MISSING, lambda: fetch("9-ZZZZ", "0.1.0"), here),
        (Trouble.OTHER_KIND, lambda: ml.lookup_dataset(patient), here),
        (Trouble.OTHER_KIND, lambda: ml.lookup_asset(rid), here),
        (Trouble.OTHER_KIND, lambda: fetch(patient, "0.1.0"), here),
        (Trouble.VERSION_MISSING, lambda: fetch(rid, "7.0.0"), here),
        (Trouble.NOT_CACHED, lambda: connect("localhost:1", "1"), ("localhost:1", "1")),
    ]
    wrong = []
    for trouble, work, place in situations:
        offline = wanted(["1-0000@1.0.0"]) if trouble is Trouble.NOT_CACHED else ()
        try:
            work()
            wrong.append(f"{trouble}: nothing")
        except Exception as error:
            cause = error.__cause__ if isinstance(error, AccessError) and offline and error.__cause__ else error
            found = explained(cause, Where(*place, offline))  # type: ignore[arg-type]
            if not (isinstance(found, AccessError) and found.trouble is trouble and found.remedy):
                wrong.append(f"{trouble}: {found}")
    return Goal(
        "registry",
        "access errors are told apart, each with the command that helps (section 8)",
        f"{len(situations) - len(wrong)} of {len(situations)}{': not ' + '; '.join(wrong) if wrong else ''}",
        not wrong,
    )


def mlflow_accepts() -> Goal:
    """The same broken registration, and two models in production, in a registry of MLflow on this disk."""
    program = """
import tempfile, mlflow
from mlflow import MlflowClient
with tempfile.TemporaryDirectory() as folder:
    client = MlflowClient(f"file://{folder}", f"file://{folder}")
    client.create_registered_model("m")
    made = [client.create_model_version("m", "file:///nowhere/model") for _ in range(2)]
    for each in made:
        client.transition_model_version_stage("m", each.version, "Production")
    there = [client.get_model_version("m", each.version) for each in made]
    print(mlflow.__version__, [each.status for each in there], [each.current_stage for each in there])
"""
    settings = os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"}  # its databases need packages that are not here
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    said = done.stdout.strip().splitlines()[-1:] or [f"not measured: {done.stderr.strip().splitlines()[-1:]}"]
    what = "for contrast: what MLflow makes of two versions without a run and without a file"
    return Goal("registry", what, f"MLflow {said[0]}", None)


if __name__ == "__main__":
    for goal in measured("--quick" in sys.argv):
        print(json.dumps(asdict(goal)), flush=True)
