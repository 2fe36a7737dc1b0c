"""The steps of cycle zero, in order: each runs what a person would type and says in one line what came of it."""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.demo.state import State
from deriva_ml_kit.project.shell import Shell

Result = dict[str, Any]


@dataclass
class Run:
    """One cycle-zero run: the project folder, what was done, and which catalog it works on."""

    folder: Path
    shell: Shell
    state: State
    hostname: str | None = None
    catalog_id: str | None = None

    @property
    def host(self) -> str:
        """The DERIVA host: the one named, or the local catalog's."""
        return self.hostname or str(self.state.result("host")["hostname"])

    @property
    def catalog(self) -> str:
        """The catalog that was made on it."""
        return str(self.state.result("schema")["catalog_id"])

    def script(self, name: str, *arguments: str, catalog: bool = True) -> Result:
        """Run one of the project's scripts against the catalog and give its JSON result."""
        where = ["--hostname", self.host]
        if catalog:
            where += ["--catalog-id", self.catalog]
        return self.shell.run_json("uv", "run", "python", f"src/scripts/{name}", *where, *arguments)

    def pin(self, name: str) -> str:
        """RID@version of a dataset, from the project's own config."""
        pins = tomllib.loads((self.folder / "src/configs/datasets.toml").read_text(encoding="utf-8"))
        return str(pins[name])


@dataclass(frozen=True)
class Step:
    """A step: its name in the state, its title, what it does, and its result in one line."""

    name: str
    title: str
    work: Callable[[Run], Result]
    line: Callable[[Mapping[str, Any]], str]
    always: bool = False


def commit(shell: Shell, message: str) -> None:
    """Commit everything that changed, if anything did."""
    if shell.run("git", "status", "--porcelain"):
        shell.run("git", "add", "--all")
        shell.run("git", "commit", "--quiet", "--message", message)


def _project(run: Run) -> Result:
    program = Path(sys.executable).with_name("deriva-ml-kit")
    catalog = ["--hostname", run.hostname, "--catalog-id", run.catalog_id] if run.hostname and run.catalog_id else []
    return run.shell.run_json(str(program), "new-project", str(run.folder), *catalog)


def _host(run: Run) -> Result:
    if run.hostname:
        return {"hostname": run.hostname, "local": False}
    return run.shell.run_json("uv", "run", "deriva-local", "start") | {"local": True}


def _schema(run: Run) -> Result:
    chosen = ["--catalog-id", run.catalog_id] if run.catalog_id else []
    result = run.script("make_schema.py", *chosen, catalog=False)
    commit(run.shell, f"The catalog: {result['catalog_id']} on {result['hostname']}")
    return result


def _ingest(run: Run) -> Result:
    result = run.script("ingest_digits.py", "--workflow-type", "Ingest")
    commit(run.shell, "Labels of the ingested images")
    return result


def _labels(run: Run) -> Result:
    return run.script(
        "populate_digit.py",
        *("--workflow-type", "Annotation", "--csv", "labels/digit_labels.csv"),
        *("--target-table", "Image", "--feature-name", "Digit"),
    )


def _development(run: Run) -> Result:
    result = run.script(
        "make_dev_dataset.py",
        *("--workflow-type", "Dataset_Management", "--element-table", "Image", "--label", "Digit"),
        *("--size", "100", "--floor", "10"),
        # RIDs differ from catalog to catalog; by the scans' own numbers the same are drawn in all.
        *("--group-by", "Source_Index"),
    )
    commit(run.shell, f"Pin the development dataset: {result['pin']}")
    return result


def _split(run: Run) -> Result:
    result = run.script("make_split.py", "--workflow-type", "Dataset_Management")
    commit(run.shell, f"Pin the split: {result['datasets']['split']}")
    return result


def _check(run: Run) -> Result:
    return run.script("check_labels.py", "--dataset", run.pin("development"))


def _warm(run: Run) -> Result:
    rid, _, version = run.pin("development").partition("@")
    return run.script("warm_cache.py", "--dataset-rid", rid, "--version", version)


def _play(run: Run, *overrides: str) -> Result:
    return run.shell.run_json("uv", "run", "deriva-ml-run", "+experiment=my_experiment", *overrides)


def _small(run: Run) -> list[str]:
    """The development dataset in the place of the full one, and few epochs."""
    rid, _, version = run.pin("development").partition("@")
    return [f"datasets.training.rid={rid}", f"datasets.training.version={version}", "model_config.epochs=3"]


def _tier1(run: Run) -> Result:
    return _play(run, *_small(run), "dry_run=true")


def _tier2(run: Run) -> Result:
    return _play(run, *_small(run))


def _tier1_full(run: Run) -> Result:
    return _play(run, "dry_run=true")


def _tier3(run: Run) -> Result:
    return _play(run)


def _verdict(run: Run) -> Result:
    execution = str(run.state.result("tier3")["execution_rid"])
    result = run.shell.run_json("uv", "run", "record-verdict", "--execution", execution)
    commit(run.shell, f"Verdict on execution {execution}: threshold {result['verdict']}")
    return result


def _passed(result: Mapping[str, Any]) -> str:
    counts = Counter(result["checks"].values())
    return f"{counts['pass']} checks passed, {counts['skip']} skipped"


def _dry(result: Mapping[str, Any]) -> str:
    return f"{result['metrics']['batches']} batches, nothing written, {_passed(result)}"


def _real(result: Mapping[str, Any]) -> str:
    metrics = result["metrics"]
    accuracy = f"{metrics['test_images']} test images, accuracy {metrics['accuracy']:.3f}"
    return f"execution {result['execution_rid']}, {accuracy}, {_passed(result)}"


STEPS = (
    Step("project", "Project folder, git, environment", _project, lambda r: f"{r['folder']}, commit {r['commit'][:8]}"),
    Step("host", "DERIVA host", _host, lambda r: str(r["hostname"]), always=True),
    Step("schema", "Catalog and schema", _schema, lambda r: f"catalog {r['catalog_id']}, {len(r['made'])} parts made"),
    Step("ingest", "Ingest 1,797 scans", _ingest, lambda r: f"{r['images']} images ({r['added']} new)"),
    Step("labels", "Label them from a CSV", _labels, lambda r: f"{r['rows']} labels ({r['added']} new)"),
    Step("development", "Development dataset", _development, lambda r: f"{r['pin']}, {len(r['counts'])} digits"),
    Step("check", "Check features and labels", _check, lambda r: f"{r['rows']} rows, {len(r['terms'])} terms"),
    Step("warm", "Warm the cache", _warm, lambda r: str(r["status"])),
    Step("tier1", "Tier 1: dry run", _tier1, _dry),
    Step("tier2", "Tier 2: development dataset", _tier2, _real),
    Step("split", "Split everything 80/20", _split, lambda r: r["datasets"]["split"]),
    Step("tier1_full", "Tier 1: dry run on all data", _tier1_full, _dry),
    Step("tier3", "Tier 3: all data", _tier3, _real),
    Step(
        "verdict",
        "Verdict against the design",
        _verdict,
        lambda r: f"accuracy {r['value']:.4f} of {r['records']} images, {r['threshold']}: {r['verdict']}",
    ),
)


def as_json(run: Run) -> str:
    """The results of all steps as one JSON line."""
    return json.dumps({name: dict(done.result) for name, done in run.state.steps.items()}, default=str)
