"""A run's own record: what it was given, what came of it, where it ran.

    with record_run(execution, parameters=settings, seeds={"model": 20}) as run:
        for batch in batches:
            run.value("loss", model.step(batch))
        run.metrics(accuracy=0.97)

It becomes the output `run-record.json` of the execution. A value costs about a microsecond, and a curve of any length
keeps at most `POINTS` of its points.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import Execution
from deriva_ml_kit.ops.documents import Document
from deriva_ml_kit.ops.kinds import MODELS, AssetType
from deriva_ml_kit.ops.tracking.hardware import Hardware, hardware
from deriva_ml_kit.ops.tracking.source import place_of
from deriva_ml_kit.tiers.receipt import Code, Environment
from deriva_ml_kit.tiers.state import code_state, environment

FILE = "run-record.json"
POINTS = 2000
Scalar = bool | int | float | str | None


class Curve(BaseModel):
    """A value at steps of a run.

    Attributes:
        steps: (n,) numbers of the steps, rising.
        values: (n,) the value at each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[int, ...]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _alike(self) -> Curve:
        if len(self.steps) != len(self.values):
            raise ValueError(f"{len(self.steps)} steps and {len(self.values)} values")
        return self


class RunRecord(Document):
    """A run.

    Attributes:
        parameters: Name to value of what it was given; nested ones with dots.
        metrics: Name to value of what came of it.
        curves: Name to the values at steps.
        seeds: Name to seed of everything random.
        tags: Name to text, for people.
        datasets: `RID@VERSION` of its input datasets.
        code: Commit, repository state and script; None where the workflow is of no repository.
        lock_sha256: SHA-256 of the repository's uv.lock.
        environment: Python, platform, packages in their versions.
        hardware: The machine.
        started: When.
        seconds: How long it took.
    """

    KIND: ClassVar[AssetType] = AssetType.RUN_RECORD

    parameters: dict[str, Scalar]
    metrics: dict[str, float]
    curves: dict[str, Curve]
    seeds: dict[str, int]
    tags: dict[str, str]
    datasets: tuple[str, ...]
    code: Code | None
    lock_sha256: str | None
    environment: Environment
    hardware: Hardware
    started: AwareDatetime
    seconds: float


class Run:
    """A run while it runs."""

    def __init__(self) -> None:
        self._metrics: dict[str, float] = {}
        self._curves: dict[str, _Growing] = {}

    def value(self, name: str, value: float, step: int | None = None) -> None:
        """A value of a curve, such as a loss.

        Args:
            name: Name of the curve.
            value: The value.
            step: Number of the step; one more than the last one where not given.

        Raises:
            UsageError: The step does not come after the last one.
        """
        curve = self._curves.get(name)
        if curve is None:
            curve = self._curves[name] = _Growing(name)
        curve.add(float(value), step)

    def metrics(self, values: Mapping[str, float] | None = None, **named: float) -> None:
        """What came of it; a later value of the same name counts.

        Raises:
            UsageError: One of them is no number.
        """
        for name, value in {**(values or {}), **named}.items():
            self._metrics[name] = _number(name, value)


class _Growing:
    """A curve that doubles the distance between its points whenever it has twice as many as it keeps."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps: list[int] = []
        self._values: list[float] = []
        self._last = -1, math.nan
        self._count, self._every = 0, 1

    def add(self, value: float, step: int | None) -> None:
        here = self._last[0] + 1 if step is None else step
        if here <= self._last[0]:
            raise UsageError(f"Step {here} of {self._name} comes after step {self._last[0]}.")
        self._last = here, value
        if self._count % self._every == 0:
            self._steps.append(here)
            self._values.append(value)
            if len(self._steps) >= 2 * POINTS:
                del self._steps[1::2], self._values[1::2]
                self._every *= 2
        self._count += 1

    def done(self) -> Curve:
        """At most `POINTS` of the points, among them the first and the last."""
        every = -(-len(self._steps) // (POINTS - 1))
        steps, values = self._steps[::every], self._values[::every]
        if steps[-1] != self._last[0]:
            steps, values = [*steps, self._last[0]], [*values, self._last[1]]
        return Curve(steps=tuple(steps), values=tuple(values))


@contextmanager
def record_run(
    execution: Execution,
    *,
    parameters: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """Record a run as an output of its execution; one that fails leaves none.

    Args:
        execution: The running execution.
        parameters: What the run was given; nested mappings become names with dots.
        seeds: Seeds of everything random.
        tags: Texts for people.

    Raises:
        UsageError: A parameter is neither number, text nor a list of them.
    """
    flat = dict(_flat(parameters or {}))
    run, started, began = Run(), datetime.now(UTC), time.perf_counter()
    yield run
    root, code = _code(execution)
    record = RunRecord(
        parameters=flat,
        metrics=run._metrics,
        curves={name: curve.done() for name, curve in run._curves.items()},
        seeds=dict(seeds or {}),
        tags=dict(tags or {}),
        datasets=tuple(f"{spec.rid}@{spec.version}" for spec in execution.configuration.datasets),
        code=code,
        lock_sha256=_sha256(root / "uv.lock") if root else None,
        environment=environment(),
        hardware=hardware(),
        started=started,
        seconds=time.perf_counter() - began,
    )
    path = execution.asset_file_path(MODELS, FILE, asset_types=str(AssetType.RUN_RECORD))
    Path(path).write_text(record.text(), encoding="utf-8")


def _code(execution: Execution) -> tuple[Path | None, Code | None]:
    """The repository of the workflow, and its state without the folder, which says something about this machine."""
    root = getattr(execution.configuration.workflow, "git_root", None)
    if not root:
        return None, None
    place = place_of(execution.configuration.workflow.url)
    state = code_state(Path(root, place.path if place else "uv.lock"))
    return Path(root), state.model_copy(update={"repository": Path(root).name})


def _sha256(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Scalar]]:
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        elif value is None or isinstance(value, Scalar):
            yield name, value
        elif hasattr(value, "item"):  # a number of numpy
            yield name, value.item()
        else:
            raise UsageError(
                f"Parameter {name} is a {type(value).__name__}, which cannot be recorded.",
                remedy="Give numbers and texts, or leave it out.",
            )


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"Metric {name} is no number (found {value!r}).") from None
