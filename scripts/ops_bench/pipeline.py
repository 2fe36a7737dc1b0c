"""Pipelines that run only what changed, runs that are made again, what tracking costs, copies in MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from own_host import own_host

from ops_bench.goal import Goal, seconds

CAPABILITY = "pipeline"
TRAIN = """
import sys, time
from pathlib import Path
import pandas as pd
from sklearn.linear_model import LogisticRegression
from deriva_ml_kit import script
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.tracking.record import record_run

def main(args):
    if Path("../fail").exists() and args.seed == 2:
        raise SystemExit(1)
    ml = DerivaML(args.hostname, args.catalog_id)
    workflow = ml.create_workflow(name="train", workflow_type=args.workflow_type)
    with ml.create_execution(datasets=[args.dataset], workflow=workflow, description="Train") as exe:
        frame = pd.DataFrame(exe.datasets[0].list_dataset_members()["Tumour"]).sort_values("RID")
        x = frame.filter(like="mean_").astype(float)
        with record_run(exe, parameters={"seed": args.seed}, seeds={"model": args.seed}) as run:
            model = LogisticRegression(solver="saga", max_iter=500, random_state=args.seed).fit(x, frame["Label"])
            run.metrics(accuracy=model.score(x, frame["Label"]))
        Path(exe.asset_file_path("Execution_Asset", "model.csv", asset_types="Model_File")).write_text(str(model.coef_))
        scores = pd.DataFrame({"RID": frame["RID"], "score": model.predict_proba(x)[:, 0]})
        file = exe.asset_file_path("Execution_Asset", "predictions.csv", asset_types="Prediction_File")
        scores.to_csv(file, index=False)
    exe.commit_output_assets()
    return {"execution_rid": exe.execution_rid}

PARSER = script.parser("Train")
PARSER.add_argument("--dataset")
PARSER.add_argument("--seed", type=int)
if __name__ == "__main__":
    script.run(main, PARSER)
"""
STAGE = """
[[stages]]
name = "train-{seed}"
command = "python train.py --hostname {{hostname}} --catalog-id {{catalog_id}} --workflow-type Training \
--dataset {{dataset.training}} --seed {seed}"
code = ["train.py"]
datasets = ["training"]
makes = ["Model_File"]
"""


def goals(quick: bool) -> Iterator[Goal]:
    """Measure everything; what needs a catalog in a process of its own, as deriva reads HOME when it is imported."""
    yield from _tracking(quick)
    yield from _checks(quick)
    scripts = str(Path(__file__).parents[1])
    words = [sys.executable, __file__, *(["--quick"] if quick else [])]
    with subprocess.Popen(words, text=True, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": scripts}) as child:
        assert child.stdout
        for line in child.stdout:
            yield Goal(**json.loads(line))
    if child.returncode:
        yield Goal(CAPABILITY, "pipelines on a catalog", f"ended with {child.returncode}", False)


def on_a_catalog(quick: bool) -> Iterator[Goal]:
    """Measure on a catalog of our own, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, own_host(Path(folder)) as hostname:
        sys.path.append(str(Path(__file__).parents[2] / "tests/support"))
        from hospital import hospital  # noqa: PLC0415  (reads HOME)

        made = hospital(hostname)
        yield from _pipelines(made, Path(folder), quick)
        yield from _mirror(made.ml, Path(folder), 20 if quick else 200)


def _tracking(quick: bool) -> Iterator[Goal]:
    """A value of a curve costs next to nothing beside a step of a training, and much less than MLflow's own call."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.ops.tracking.record import Run  # noqa: PLC0415

    steps = 2_000 if quick else 20_000
    x = np.random.default_rng(0).normal(size=(256, 64))

    def training(note: Callable[[float], None]) -> None:
        weights = np.zeros(64)
        for _ in range(steps):
            weights += 1e-4 * x.T @ (1 - x @ weights)
            note(float(weights[0]))

    def cost(note: Callable[[float], None]) -> float:
        began = time.process_time()  # others use the processors, too
        training(note)
        return time.process_time() - began

    pairs = [(cost(lambda _: None), cost(_noting(Run()))) for _ in range(7)]
    bare = min(one for one, _ in pairs)
    ratio = min(two for _, two in pairs) / bare
    run = Run()
    ours = seconds(lambda: [run.value("loss", 0.5) for _ in range(steps)], 3) / steps
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
        client = MlflowClient(Path(folder).as_uri())
        rid = client.create_run(client.create_experiment("x")).info.run_id
        theirs = seconds(lambda: [client.log_metric(rid, "loss", 0.5, step=n) for n in range(200)], 1) / 200
    yield Goal(
        CAPABILITY,
        "tracking a loss at every step of 256 x 64 numbers adds at most 5 % to a training",
        f"{100 * (ratio - 1):.1f} % ({1e6 * bare / steps:.0f} us a step)",
        ratio <= 1.05,
    )
    yield Goal(
        CAPABILITY,
        "a value costs at most a hundredth of MLflow's log_metric into a folder",
        f"{1e6 * ours:.2f} us against {1e6 * theirs:.0f} us, 1/{theirs / ours:.0f}",
        theirs / ours >= 100,
    )


def _noting(run: Any) -> Callable[[float], None]:
    return lambda value: run.value("loss", value)


def _checks(quick: bool) -> Iterator[Goal]:
    """Checks of columns against pydantic, row by row."""
    from pydantic import BaseModel, Field, TypeAdapter  # noqa: PLC0415

    from deriva_ml_kit.ops.pipeline.checks import ColumnRule, DataRules, failures  # noqa: PLC0415

    class Row(BaseModel):
        RID: str
        Age: int = Field(ge=0, le=120)
        Score: float = Field(ge=0, le=1, allow_inf_nan=False)
        Sex: str = Field(pattern="^(female|male)$")

    rows = 20_000 if quick else 200_000
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "RID": [f"1-{n:06X}" for n in range(rows)],
            "Age": random.integers(0, 100, rows),
            "Score": random.random(rows),
            "Sex": random.choice(["female", "male"], rows),
        }
    )
    rules = DataRules(
        columns={
            "RID": ColumnRule(type="text", unique=True),
            "Age": ColumnRule(type="integer", min=0, max=120),
            "Score": ColumnRule(type="number", min=0, max=1),
            "Sex": ColumnRule(allowed=("female", "male")),
        }
    )
    records, adapter = frame.to_dict("records"), TypeAdapter(list[Row])

    def validated() -> bool:
        return len({row.RID for row in adapter.validate_python(records)}) == rows

    ours, theirs = seconds(lambda: failures(frame, rules)), seconds(validated)
    broken = frame.copy()
    bad = random.choice(rows, 50, replace=False)
    broken.loc[bad[:25], "Age"], broken.loc[bad[25:], "Sex"] = 130, "m"
    found = {each.rid for each in failures(broken, rules)} == set(broken["RID"].iloc[bad])
    yield Goal(
        CAPABILITY,
        f"every failure in {rows} rows is found with its RID, in at most half of pydantic's time",
        f"{1e3 * ours:.0f} ms against {1e3 * theirs:.0f} ms, {theirs / ours:.1f}x; "
        f"{'all' if found else 'NOT all'} of 50 found",
        found and theirs / ours >= 2,
    )


def _pipelines(made: Any, folder: Path, quick: bool) -> Iterator[Goal]:
    from deriva_ml_kit.ops.pipeline.definition import read  # noqa: PLC0415
    from deriva_ml_kit.ops.pipeline.play import Player  # noqa: PLC0415
    from deriva_ml_kit.ops.tracking.reproduce import reproduce  # noqa: PLC0415

    root, count = folder / "project", 3 if quick else 6
    stages = "".join(STAGE.format(seed=seed) for seed in range(count))
    _write(root, "train.py", TRAIN)
    _write(root, "src/configs/datasets.toml", f'training = "{made.training}"\n')
    _write(root, "pipeline.toml", f'name = "bench"\n{stages}')

    def play() -> tuple[list[str], float]:
        began = time.perf_counter()
        player = Player(made.ml, root, root / "pipeline.toml", read(root / "pipeline.toml"))
        player.play()
        return [str(each.state) for each in player.played.results], time.perf_counter() - began

    (folder / "fail").touch()
    broken, _ = play()
    (folder / "fail").unlink()
    resumed, _ = play()
    yield Goal(
        CAPABILITY,
        "after a failure the same command runs what is left, and nothing else",
        f"{', '.join(broken)}; then {', '.join(resumed)}",
        broken == ["ran", "ran", "failed"] and resumed == ["reused"] * 2 + ["ran"] * (count - 2),
    )
    _write(root, "train.py", TRAIN + "# changed\n")
    all_again, whole = play()
    nothing, none = play()
    yield Goal(
        CAPABILITY,
        f"a pipeline of {count} stages in which nothing changed takes at most a tenth of a whole run",
        f"{none:.1f} s against {whole:.1f} s, {whole / none:.0f}x",
        all_again == ["ran"] * count and nothing == ["reused"] * count and none <= whole / 10,
    )
    one = root / "pipeline.toml"
    _write(root, "pipeline.toml", one.read_text().replace("--seed 1", "--seed 100"))
    changed, _ = play()
    yield Goal(
        CAPABILITY,
        "where one stage changed, that one runs",
        ", ".join(changed),
        changed == ["reused", "ran"] + ["reused"] * (count - 2),
    )
    runs = [each.execution_rid for each in made.ml.find_executions(workflow_type="Training")][: 2 if quick else 5]
    reports = [reproduce(made.ml, root, rid, exact=True)[0] for rid in runs]
    equal = sum(report.reproduced for report in reports)
    yield Goal(
        CAPABILITY,
        "runs are made again byte by byte, at the commits at which they ran",
        f"{equal} of {len(runs)}, at {len({report.commit for report in reports})} commits",
        equal == len(runs),
    )


def _mirror(ml: Any, folder: Path, count: int) -> Iterator[Goal]:
    from deriva_ml_kit.ops.tracking.mirror import mirror  # noqa: PLC0415
    from deriva_ml_kit.ops.tracking.record import Curve  # noqa: PLC0415
    from deriva_ml_kit.ops.tracking.runs import KnownRun  # noqa: PLC0415

    steps = tuple(range(1000))
    curve = Curve(steps=steps, values=tuple(1 / (step + 1) for step in steps))
    runs = [
        KnownRun(
            execution=f"9-{number:04X}",
            description="",
            status="Uploaded",
            created="2026-01-01T00:00:00+00:00",
            workflow="train",
            url=None,
            parameters={f"p{each}": each for each in range(20)},
            metrics={f"m{each}": float(each) for each in range(20)},
            curves={"loss": curve},
        )
        for number in range(count)
    ]
    store = str(folder / "mlruns")
    began = time.perf_counter()
    first = mirror(ml, runs, store, "bench")
    middle = time.perf_counter()
    again = mirror(ml, runs, store, "bench")
    took, idle = middle - began, time.perf_counter() - middle
    yield Goal(
        CAPABILITY,
        f"{count} runs of 20 parameters, 20 metrics, 1000 losses are copied to MLflow once; again, nothing is written",
        f"{len(first.new)} new in {took:.1f} s ({1e3 * took / count:.0f} ms each); "
        f"again {len(again.unchanged)} unchanged in {idle:.1f} s, 1/{took / idle:.0f}",
        (len(first.new), len(again.unchanged), len(again.new)) == (count, count, 0),
    )


def _write(root: Path, name: str, text: str) -> None:
    """Write a file of the project, and commit it."""
    new = not root.exists()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    identity = ("-c", "user.name=B", "-c", "user.email=b@example.org")
    commands = [["init", "-q", "-b", "main"]] if new else []
    for words in [*commands, ["add", "-A"], ["commit", "-q", "-m", name]]:
        subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


if __name__ == "__main__":
    for goal in on_a_catalog("--quick" in sys.argv):
        print(json.dumps(asdict(goal)), flush=True)
