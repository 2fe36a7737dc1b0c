"""A working project on a catalog of its own, and programs played in it, for `fault_suite.py`.

In: a folder. Out: `Bench`, whose `play` types the commands of the tiers in a copy of the project. Each command runs in
a process forked from this one, which has imported the libraries: what takes a person three seconds takes one here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fault_catalogue import STEPS, Fault

PROJECT = "faults"
INGEST = "src/scripts/ingest_digits.py"
DRY_RUN = "dry_run=true"
SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it printed, and how long it took in seconds."""

    code: int
    said: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How a play ended.

    Attributes:
        step: The step that did not end well; None if all did.
        said: What that step printed.
        seconds: All steps together, per step.
    """

    step: str | None
    said: str
    seconds: Mapping[str, float]

    @property
    def tier(self) -> int | None:
        """The tier that the play had come to, None if it went through."""
        return {"tier 1": 1, "tier 2": 2, "tier 1, all data": 3, "tier 3": 3}[self.step] if self.step else None


class Bench:
    """A host, a catalog and a project, made in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / PROJECT
        os.environ |= {"HOME": str(folder / "home"), "DERIVA_LOCAL_DATA_DIR": str(folder / "local")}
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        for name in ("DERIVA_ML_ALLOW_DIRTY", "DERIVA_ML_DRY_RUN"):
            os.environ.pop(name, None)
        (folder / "home").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def start_host(self) -> None:
        """Start the host, or do nothing if it runs."""
        started = json.loads(self._program("deriva-local", "start", "--port", str(self.port), "--json"))
        self.hostname = started["hostname"]
        trust = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        os.environ.update(dict.fromkeys(trust, started["ca_bundle"]))

    def remove_host(self) -> None:
        """Stop the host and delete its data."""
        self._program("deriva-local", "reset", "--yes")

    def make_project(self, images: int | None = None) -> None:
        """Make the project, its catalog, images (the first so many), labels, development dataset and split."""
        from deriva_ml_kit.project import scaffold  # noqa: PLC0415  (HOME is set by now)

        scaffold.make(self.base, environment=False)
        if images:
            self._edit(self.base, INGEST, "range(len(bunch.images))", f"range({images})")
        self._script("make_schema.py", "--hostname", self.hostname)
        catalog = json.loads((self.base / "src/configs/catalog.json").read_text(encoding="utf-8"))
        where = ("--hostname", self.hostname, "--catalog-id", str(catalog["catalog_id"]))
        self.commit(self.base, "Catalog")
        self._script("ingest_digits.py", *where, "--workflow-type", "Ingest")
        self.commit(self.base, "Labels")
        csv = ("--csv", "labels/digit_labels.csv", "--target-table", "Image", "--feature-name", "Digit")
        self._script("populate_digit.py", *where, "--workflow-type", "Annotation", *csv)
        element = ("--element-table", "Image", "--label", "Digit", "--size", "100", "--floor", "10")
        group = ("--group-by", "Source_Index")
        self._script("make_dev_dataset.py", *where, "--workflow-type", "Dataset_Management", *element, *group)
        self.commit(self.base, "Development dataset")
        self._script("make_split.py", *where, "--workflow-type", "Dataset_Management")
        self.commit(self.base, "Split")
        pins = (self.base / "src/configs/datasets.toml").read_text(encoding="utf-8")
        rid, version = re.search(r'^development = "(\S+)@(\S+)"', pins, re.MULTILINE).groups()
        self.development = (f"datasets.training.rid={rid}", f"datasets.training.version={version}")

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A clone of the project, removed again."""
        folder = self.folder / "copy"
        self._git(self.folder, "clone", "-q", str(self.base), str(folder))
        self._git(folder, "config", "user.name", "Faults")
        self._git(folder, "config", "user.email", "faults@localhost")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def play(self, seed: int, fault: Fault | None = None) -> Outcome:
        """Go through the tiers until something is refused or fails."""
        seconds: dict[str, float] = {}
        with self.copy() as folder:
            for number, step in enumerate(STEPS):
                if fault and fault.after == number:
                    self._break(folder, fault)
                if fault and step in fault.leave_out:
                    continue
                ended = self.run(folder, self._words(step, seed, fault), (fault and fault.environment.get(step)) or {})
                seconds[step] = ended.seconds
                if ended.code and not (fault and fault.act and fault.after == number + 1):
                    return Outcome(step, ended.said, seconds)
        return Outcome(None, "", seconds)

    def run(self, folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> Ended:
        """Be `deriva-ml-run` in a folder, in a process of its own."""
        said = self.folder / "said"
        started = time.monotonic()
        child = os.fork()
        if not child:
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            os.chdir(folder)
            os.environ.update(environment)
            _be_the_runner(words)
        code = _wait(child)
        return Ended(code, said.read_text(encoding="utf-8", errors="replace"), time.monotonic() - started)

    def commit(self, folder: Path, message: str) -> None:
        """Commit what changed."""
        self._git(folder, "add", "--all")
        self._git(folder, "commit", "-q", "--allow-empty", "-m", message)

    def _words(self, step: str, seed: int, fault: Fault | None) -> list[str]:
        words = ["+experiment=my_experiment", *([] if "3" in step or "all" in step else self.development)]
        words += [f"model_config.seed={seed}", *([DRY_RUN] if step.startswith("tier 1") else [])]
        added = [*fault.words, *fault.words_at.get(step, ())] if fault else []
        replaced = {word.partition("=")[0] for word in added}
        return [word for word in words if word.partition("=")[0] not in replaced] + added

    def _break(self, folder: Path, fault: Fault) -> None:
        if fault.act:
            fault.act(folder)
            return
        for name, old, new in fault.edits:
            self._edit(folder, name, old, new)
        if fault.edits and fault.committed:
            self.commit(folder, "Something is wrong from here on")

    def _edit(self, folder: Path, name: str, old: str, new: str) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise SystemExit(f"{name} does not hold {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")

    def _script(self, name: str, *arguments: str) -> None:
        self._program(sys.executable, f"src/scripts/{name}", *arguments)

    def _program(self, *command: str) -> str:
        folder = self.base if self.base.exists() else self.folder
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(f"{' '.join(command)}: {ran.stderr or ran.stdout}")
        return ran.stdout

    def _git(self, folder: Path, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=folder, check=True)


def load_libraries() -> None:
    """Import what the runs need, so that they find it; nothing may be started or opened yet."""
    import joblib  # noqa: F401, PLC0415
    import PIL.Image  # noqa: F401, PLC0415
    import sklearn.model_selection  # noqa: PLC0415
    import sklearn.neural_network  # noqa: F401, PLC0415

    import deriva_ml_kit.mainline.bag.cache  # noqa: PLC0415
    import deriva_ml_kit.runner.command  # noqa: PLC0415
    import deriva_ml_kit.runner.job  # noqa: PLC0415
    import deriva_ml_kit.runner.tiered  # noqa: F401, PLC0415


def _be_the_runner(words: Sequence[str]) -> None:
    from deriva_ml_kit.runner.command import main  # noqa: PLC0415

    sys.argv = ["deriva-ml-run", *words]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _wait(child: int) -> int:
    """Exit code of a child; one that takes too long is ended, with code 124."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return 124
