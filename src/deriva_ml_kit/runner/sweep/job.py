"""One job of a sweep, in whichever process Hydra's launcher plays it: its error ends it, and no other job.

What a job needs to know of its sweep comes with its configuration, since a worker shares no memory with the program
that launched it:

    parent_execution  RID of the parent; None in a dry run
    swept             keys of the configuration that differ between jobs
    sweep.folder      where to keep its row
    sweep.done        numbers of the jobs that an earlier start of the same sweep has finished

The job's own number, which is its place among the parent's children, is added to it as `sequence`.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.runner.overrides import quoted
from deriva_ml_kit.runner.sweep.folder import held, job_folder, read_row, write_row
from deriva_ml_kit.runner.sweep.rows import JobStatus, Row

if TYPE_CHECKING:
    from omegaconf import DictConfig

PARENT, SWEPT, SWEEP, SEQUENCE = "parent_execution", "swept", "sweep", "sequence"
TRACEBACK = "traceback.txt"


def as_overrides(parent_rid: str | None, folder: Path, swept: Iterable[str], done: Iterable[int]) -> list[str]:
    """What every job of a sweep gets by its configuration, as Hydra's overrides."""
    keys = ",".join(f"'{key}'" for key in sorted(swept))
    numbers = ",".join(str(number) for number in sorted(done))
    return [
        f"++{PARENT}={parent_rid or 'null'}",
        f"++{SWEPT}=[{keys}]",
        f"++{SWEEP}={{folder:{quoted(str(folder))},done:[{numbers}]}}",
    ]


class Player:
    """Plays one job, and keeps its row; launchers hand it to their workers.

    Args:
        task: Does the work for a configuration; gives what was played (`execution_rid`, `metrics`) or None.
    """

    def __init__(self, task: Callable[[DictConfig], Any]) -> None:
        self._task = task
        self.__setstate__(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Import the library, in every process, before it takes over Hydra's state from the launching program.

        The library stores a configuration of Hydra when it is imported, and fails or changes the jobs' configuration
        if it comes later.
        """
        importlib.import_module("deriva_ml_kit.mainline")
        self.__dict__.update(state)

    def __call__(self, config: DictConfig) -> Row:
        """Play a job.

        Args:
            config: The job's configuration.

        Returns:
            The row, whatever the job did: an exception becomes its `error`.

        Raises:
            KeyboardInterrupt: Somebody stopped the sweep; the row says so.
        """
        return play_job(self._task, config)


def play_job(task: Callable[[DictConfig], Any], config: DictConfig) -> Row:
    """Play one job, and keep its row: see `Player`."""
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415  (a job runs inside Hydra)
    from omegaconf import open_dict  # noqa: PLC0415

    hydra = HydraConfig.get()
    number = int(hydra.job.num)
    with open_dict(config):
        order = config.pop(SWEEP)
        config[SEQUENCE] = number
    folder = Path(order.folder)
    if number in order.done:
        return read_row(folder, number) or Row(number, (), JobStatus.PASSED)
    added = tuple(f"++{name}=" for name in (PARENT, SWEPT, SWEEP))
    own = tuple(each for each in hydra.overrides.task if not each.startswith(added))
    with held(job_folder(folder, number)) as free:
        if not free:
            return Row(number, own, JobStatus.RUNNING, error="another process is at work on this job")
        return _kept(folder, Row(number, own, JobStatus.RUNNING), lambda: task(config))


def _kept(folder: Path, row: Row, work: Callable[[], Any]) -> Row:
    write_row(folder, row)
    (trace := job_folder(folder, row.number) / TRACEBACK).unlink(missing_ok=True)
    began = perf_counter()
    try:
        ended = _with_outcome(replace(row, status=JobStatus.PASSED), work())
    except KeyboardInterrupt:
        interrupted = replace(row, status=JobStatus.INTERRUPTED, error="interrupted")
        write_row(folder, replace(interrupted, seconds=_since(began)))
        raise
    except (Exception, SystemExit) as error:
        ended = _with_outcome(_failed(row, error), getattr(error, "played", None))
        if not isinstance(error, KitError):
            trace.write_text(traceback.format_exc(), encoding="utf-8")
    ended = replace(ended, seconds=_since(began))
    write_row(folder, ended)
    return ended


def _failed(row: Row, error: BaseException) -> Row:
    if isinstance(error, KitError):
        said = str(error)
    elif isinstance(error, SystemExit):
        said = f"the model's function ended the program (SystemExit: {error.code})"
    else:
        said = f"{type(error).__name__}: {error}"
    return replace(row, status=JobStatus.FAILED, error=said)


def _with_outcome(row: Row, played: Any) -> Row:
    """The row with what was played, as an object with `execution_rid` and `metrics`."""
    metrics = getattr(played, "metrics", None)
    return replace(
        row,
        execution_rid=getattr(played, "execution_rid", None),
        metrics=dict(metrics) if isinstance(metrics, Mapping) else {},
    )


def _since(began: float) -> float:
    return round(perf_counter() - began, 3)
