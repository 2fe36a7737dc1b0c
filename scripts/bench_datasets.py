"""Measure datasets and uploads: plain deriva-ml 1.17.10 and ours, in one run, on one host, with the same catalogs.

    uv run python scripts/bench_datasets.py [--scale 0.1] [--json] [--steps upload,bag] [--hostname data.example.org]

Without --hostname a `deriva-local` is started in a temporary folder, and removed again. Each library gets a catalog of
its own, made in the same way, and each step a process of its own, so that times and peak memory are the step's alone.
A step that fails is shown as failed, and the run goes on. Progress is told on stderr, with the load of the machine:
figures of a busy machine are no figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIBRARIES = ("plain", "ours")
# Step -> what is measured, and how many times faster ours is to be.
STEPS: dict[str, tuple[str, float | None]] = {
    "upload": ("register and upload {files} files", 10),
    "members": ("add {files} members, as a list of RIDs", 50),
    "members_by_table": ("add {files} members, by table", None),
    "list": ("list the members", None),
    "bag": ("bag with {files} files", 5),
    "bag_in_execution": ("bag with {files} files, as an execution's input", 5),
    "reopen": ("the same bag again", None),
    "few_values": ("populate {few} feature values", None),
    "values": ("populate {values} feature values", None),
}
SCHEMA = "bench"
WORKFLOW = {
    "name": "Benchmark",
    "workflow_type": "Training",
    "url": "https://example.org/bench.py",
    "checksum": "0c5a",
    "version": "1",
}
State = dict[str, Any]


def main() -> int:
    """Run all steps with both libraries, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hostname", help="a host that you are logged in to, instead of one started for this")
    parser.add_argument("--scale", type=float, default=1.0, help="share of 1,000 files and 100,000 feature values")
    parser.add_argument("--steps", default=",".join(STEPS), help="only these, with commas: " + ", ".join(STEPS))
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document")
    args = parser.parse_args()
    steps = [name for name in STEPS if name in args.steps.split(",")]
    if not steps or set(args.steps.split(",")) - set(STEPS):
        parser.error(f"--steps takes {', '.join(STEPS)}")
    sizes = {"files": round(1000 * args.scale), "values": round(100_000 * args.scale)}
    if min(sizes.values()) < 1:
        parser.error("--scale is too small")
    with tempfile.TemporaryDirectory(prefix="bench-datasets-") as folder:
        figures = measured(Path(folder), args.hostname, steps, sizes | {"few": max(1, sizes["values"] // 10)})
    print(json.dumps(figures, indent=1) if args.json else table(figures))
    return 0 if all("error" not in figure for row in figures["steps"].values() for figure in row.values()) else 1


def measured(folder: Path, hostname: str | None, steps: list[str], sizes: dict[str, int]) -> dict[str, Any]:
    """Both libraries' figures for each step, and the load of the machine before and after."""
    load = [os.getloadavg()[0]]
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    if hostname is None:
        environment |= {"HOME": str(folder / "home"), "DERIVA_LOCAL_DATA_DIR": str(folder / "local")}
        (folder / "home").mkdir()
        started = json.loads(deriva_local(environment, "start", "--port", str(free_port()), "--json"))
        hostname = started["hostname"]
        trust = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        environment |= dict.fromkeys(trust, started["ca_bundle"])
    else:
        started = None
    figures: dict[str, dict[str, Any]] = {name: {} for name in steps}
    states: dict[str, State] = {}
    try:
        for library in LIBRARIES:
            work = folder / library
            work.mkdir()
            state = {"hostname": hostname, "folder": str(work), "library": library} | sizes
            states[library] = state | step(environment, state, "setup")["state"]
        for name in needed(steps):
            for library in LIBRARIES:
                tell(f"{library:5} {name} …")
                figure = step(environment, states[library], name)
                states[library] |= figure.pop("state", {})
                tell(f"{library:5} {name}: {figure.get('error') or '{seconds:.2f} s'.format(**figure)}")
                if name in figures:
                    figures[name][library] = figure
    finally:
        for state in states.values():
            step(environment, state, "cleanup")
        if started:
            deriva_local(environment, "reset", "--yes")
    load.append(os.getloadavg()[0])
    return {"sizes": sizes, "cpus": os.cpu_count(), "load": load, "steps": figures}


def needed(steps: list[str]) -> list[str]:
    """The steps, with those that they build on."""
    later = set(steps) - {"few_values", "values"}
    wanted = set(steps) | ({"upload"} if later else set()) | ({"members"} if later - {"upload"} else set())
    return [name for name in STEPS if name in wanted]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def deriva_local(environment: dict[str, str], *arguments: str) -> str:
    """Run the command line of the local host."""
    command = [sys.executable, "-m", "deriva_local.cli", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def step(environment: dict[str, str], state: State, name: str) -> dict[str, Any]:
    """One step in a process of its own: seconds, peak memory, and what later steps need; or the error."""
    command = [sys.executable, __file__, "--step", name, json.dumps(state)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=state["folder"])
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    error = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
    if name == "setup":
        raise SystemExit(f"{state['library']}: {error}\n{done.stderr}")
    return {"error": error}


def tell(text: str) -> None:
    """Say how far it is, on stderr."""
    print(f"[load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)


def table(figures: dict[str, Any]) -> str:
    """The figures for a person."""
    sizes = {name: f"{count:,}" for name, count in figures["sizes"].items()}
    head = f"{'':52}{'plain':>10}{'ours':>10}{'faster':>9}{'goal':>7}{'plain MB':>10}{'ours MB':>9}"
    lines = [head, "-" * len(head)]
    for name, row in figures["steps"].items():
        text, goal = STEPS[name]
        plain, ours = (row.get(library, {}) for library in LIBRARIES)
        ratio = f"{plain['seconds'] / ours['seconds']:.1f}x" if "seconds" in plain and "seconds" in ours else ""
        lines.append(
            f"{text.format(**sizes):52}{shown(plain, 'seconds', 's'):>10}{shown(ours, 'seconds', 's'):>10}{ratio:>9}"
            f"{f'{goal:.0f}x' if goal else '':>7}{shown(plain, 'peak_mb'):>10}{shown(ours, 'peak_mb'):>9}"
        )
    errors = [
        f"{name}, {library}: {one['error']}"
        for name, row in figures["steps"].items()
        for library, one in row.items()
        if "error" in one
    ]
    before, after = figures["load"]
    return "\n".join([*lines, *errors, f"{figures['cpus']} CPUs, load {before:.1f} before and {after:.1f} after."])


def shown(figure: dict[str, Any], name: str, unit: str = "") -> str:
    """A figure, or that there is none."""
    if name in figure:
        return f"{figure[name]:.2f} {unit}" if unit else f"{figure[name]:.0f}"
    return "failed" if "error" in figure else "-"


# What runs in the process of a step


class Step:
    """A connection of one of the two libraries, and a clock."""

    def __init__(self, state: State, cache: str = "work") -> None:
        self.state = state
        self.ours = state["library"] == "ours"
        self.folder = Path(state["folder"])
        self.ml = self._connect(self.folder / cache)
        self._start = time.perf_counter()

    def _connect(self, folder: Path) -> Any:
        # The plain steps import nothing of ours.
        library = importlib.import_module("deriva_ml_kit.mainline" if self.ours else "deriva_ml")
        return library.DerivaML(self.state["hostname"], self.state["catalog_id"], working_dir=folder, use_minid=False)

    def execution(self, **inputs: Any) -> Any:
        """A new execution."""
        library = importlib.import_module("deriva_ml_kit.mainline" if self.ours else "deriva_ml.execution")
        workflow = library.Workflow(**WORKFLOW, **({} if self.ours else {"git_root": self.folder}))
        configuration = library.ExecutionConfiguration(description="Benchmark", **inputs)
        return self.ml.create_execution(configuration, workflow=workflow)

    def commit(self, execution: Any) -> None:
        """Upload what an execution has made."""
        if self.ours:
            execution.commit_output_assets()
        else:
            execution.upload_execution_outputs()

    def spec(self) -> Any:
        """The dataset of all files, in its newest version."""
        from deriva_ml.dataset.aux_classes import DatasetSpec  # noqa: PLC0415

        return DatasetSpec(rid=self.state["dataset"], version=self.state["version"])

    def clock(self) -> None:
        """Time counts from here; connecting did not."""
        self._start = time.perf_counter()

    def done(self, **state: Any) -> dict[str, Any]:
        """The figures."""
        seconds = time.perf_counter() - self._start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        return {"seconds": round(seconds, 3), "peak_mb": round(peak, 1), "state": state}


def setup(state: State) -> dict[str, Any]:
    """A catalog with images, subjects and a feature; the same for both libraries."""
    from deriva.core.ermrest_model import Column, Schema, Table, builtin_types  # noqa: PLC0415

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415
    from deriva_ml_kit.mainline.schema.create import create_ml_catalog  # noqa: PLC0415

    catalog = create_ml_catalog(state["hostname"], project_name="benchmark")
    subject = Table.define("Subject", [Column.define("Name", builtin_types.text)])
    catalog.getCatalogModel().create_schema(Schema.define(SCHEMA)).create_table(subject)
    ml = DerivaML(state["hostname"], catalog.catalog_id, working_dir=Path(state["folder"], "setup"))
    ml.create_vocabulary("Grade", "Grades")
    ml.add_term("Grade", "good", description="Good")
    ml.create_asset("Image")
    ml.create_feature("Subject", "Graded", terms=["Grade"])
    ml.add_dataset_element_type("Image")
    return {"state": {"catalog_id": str(catalog.catalog_id)}}


def upload(state: State) -> dict[str, Any]:
    """Register and upload files."""
    run = Step(state)
    execution = run.execution()
    run.clock()
    with execution as exe:
        for number in range(state["files"]):
            path = exe.asset_file_path("Image", f"image-{number}.txt", asset_types="Image")
            Path(str(path)).write_bytes(f"Image {number} ".encode() * 20)
    run.commit(execution)
    found = run.done()
    rids = [row["RID"] for row in run.ml.catalog.get(f"/attribute/{SCHEMA}:Image/RID").json()]
    if len(rids) != state["files"]:
        raise SystemExit(f"{len(rids)} of {state['files']} files were uploaded")
    return found | {"state": {"images": rids}}


def members(state: State, *, by_table: bool = False) -> dict[str, Any]:
    """Add the files to a new dataset."""
    from deriva_ml.dataset.aux_classes import VersionPart  # noqa: PLC0415

    run = Step(state)
    rid = run.ml.create_dataset([], "All files")
    rid = rid if isinstance(rid, str) else rid.dataset_rid
    given = {"Image": state["images"]} if by_table else state["images"]
    run.clock()
    if run.ours:
        dataset = run.ml.lookup_dataset(rid)
        dataset.add_dataset_members(given)
        version = dataset.release(VersionPart.minor, "All files")
    else:
        run.ml.add_dataset_members(rid, given)
        version = None
    found = run.done()
    count = len(run.ml.list_dataset_members(rid)["Image"])
    if count != state["files"]:
        raise SystemExit(f"{count} of {state['files']} members were added")
    return found | {"state": {"dataset": rid, "version": str(version or run.ml.dataset_version(rid))}}


def list_members(state: State) -> dict[str, Any]:
    """List the members of the dataset."""
    run = Step(state)
    run.clock()
    run.ml.list_dataset_members(state["dataset"])
    return run.done()


def bag(state: State) -> dict[str, Any]:
    """Download the dataset."""
    run = Step(state, "bag")
    run.clock()
    found = run.ml.download_dataset_bag(run.spec())
    return checked(run.done(), found, state)


def bag_in_execution(state: State) -> dict[str, Any]:
    """Download the dataset as the input of an execution."""
    run = Step(state, "execution")
    run.clock()
    execution = run.execution(datasets=[run.spec()])
    return checked(run.done(), execution.datasets[0], state)


def reopen(state: State) -> dict[str, Any]:
    """Download the dataset where it was downloaded before."""
    if not Path(state["folder"], "bag").exists():
        bag(state)
    run = Step(state, "bag")
    run.clock()
    found = run.ml.download_dataset_bag(run.spec())
    return checked(run.done(), found, state)


def checked(figures: dict[str, Any], found: Any, state: State) -> dict[str, Any]:
    """The figures, if the bag has what it is to have."""
    files = sum(1 for row in found.list_dataset_members()["Image"] if Path(row["Filename"]).is_file())
    if files != state["files"]:
        raise SystemExit(f"{files} of {state['files']} files are in the bag")
    return figures


def values(state: State, *, few: bool = False) -> dict[str, Any]:
    """Record a feature's value for each of many subjects, named from a file that is read line by line."""
    run = Step(state)
    count = state["few"] if few else state["values"]
    listed = run.folder / f"subjects-{count}.txt"
    make_subjects(run, count, listed)
    record = run.ml.feature_record_class("Subject", "Graded")
    execution = run.execution()

    def records() -> Iterator[Any]:
        with listed.open() as lines:
            for line in lines:
                yield record(Subject=line.strip(), Grade="good")

    run.clock()
    with execution as exe:
        exe.add_features(records())
    run.commit(execution)
    found = run.done()
    path = f"/aggregate/{SCHEMA}:Execution_Subject_Graded/Execution={execution.execution_rid}/n:=cnt(*)"
    [row] = run.ml.catalog.get(path).json()
    if row["n"] != count:
        raise SystemExit(f"{row['n']} of {count} values are in the catalog")
    return found


def make_subjects(run: Step, count: int, listed: Path) -> None:
    """Insert subjects, and write their RIDs to a file."""
    path = f"/entity/{SCHEMA}:Subject?defaults=RID,RCT,RCB,RMT,RMB"
    with listed.open("w") as lines:
        for start in range(0, count, 1000):
            rows = [{"Name": f"Subject {number}"} for number in range(start, min(start + 1000, count))]
            for row in run.ml.catalog.post(path, json=rows).json():
                lines.write(f"{row['RID']}\n")


def cleanup(state: State) -> dict[str, Any]:
    """Delete the catalog."""
    from deriva.core import DerivaServer, get_credential  # noqa: PLC0415

    if "catalog_id" in state:
        server = DerivaServer("https", state["hostname"], credentials=get_credential(state["hostname"]))
        server.connect_ermrest(state["catalog_id"]).delete_ermrest_catalog(really=True)
    shutil.rmtree(state["folder"], ignore_errors=True)
    return {}


RUNS: dict[str, Callable[[State], dict[str, Any]]] = {
    "setup": setup,
    "upload": upload,
    "members": members,
    "members_by_table": lambda state: members(state, by_table=True),
    "list": list_members,
    "bag": bag,
    "bag_in_execution": bag_in_execution,
    "reopen": reopen,
    "few_values": lambda state: values(state, few=True),
    "values": values,
    "cleanup": cleanup,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(json.dumps(RUNS[sys.argv[2]](json.loads(sys.argv[3]))))
        sys.exit()
    sys.exit(main())
