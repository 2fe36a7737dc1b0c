"""How far an execution is, and how long its phases took; both are written to the catalog, unless it is a dry run."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.execution.execution import Execution as ReleasedExecution
from deriva_ml.execution.execution_configuration import ExecutionConfiguration

from deriva_ml_kit.mainline.catalog.rows import Row, said
from deriva_ml_kit.mainline.catalog.single import change_row, has_column
from deriva_ml_kit.mainline.errors import DerivaMLExecutionError
from deriva_ml_kit.mainline.execution.leftovers import State
from deriva_ml_kit.mainline.execution.outputs import Register
from deriva_ml_kit.mainline.execution.status import AnyStatus, ExecutionStatus, read, word_of

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

logger = logging.getLogger("deriva_ml_kit")


class Lifecycle(ReleasedExecution):  # type: ignore[misc]  # the release is untyped
    """Status and times of an execution."""

    configuration: ExecutionConfiguration
    execution_rid: str
    workflow_rid: str
    _ml_object: DerivaML
    _register: Register
    _dry_run: bool
    _status: ExecutionStatus = ExecutionStatus.Created
    _error: str | None = None
    _created: datetime | None = None
    _started: datetime | None = None
    _stopped: datetime | None = None

    @property
    def status(self) -> ExecutionStatus:
        """How far it is."""
        return self._status

    @property
    def error(self) -> str | None:
        """What it failed of; None as long as it did not."""
        return self._error

    @property
    def start_time(self) -> datetime | None:
        """When the work began, local time."""
        return self._started

    @property
    def stop_time(self) -> datetime | None:
        """When the work ended, local time."""
        return self._stopped

    def update_status(self, target: AnyStatus, msg: str = "", *, error: str | None = None) -> None:
        """Record a status and what it means; a dry run only remembers it.

        Args:
            target: New status; the release's words are understood too.
            msg: One line for a person.
            error: What went wrong, instead of `msg`.

        Raises:
            ValueError: No such status.
        """
        self._note(target, error or msg, error=error)

    def execution_start(self) -> None:
        """Note that the work begins; the `with` statement does so itself."""
        self._started = datetime.now()
        self.update_status(ExecutionStatus.Running, "The work has begun.")

    def execution_stop(self) -> None:
        """Note that the work has ended; the `with` statement does so itself."""
        self._stopped = datetime.now()
        took = written(self._stopped - (self._started or self._stopped))
        committed = self._status is ExecutionStatus.Uploaded  # inside the `with`
        self._note(
            ExecutionStatus.Uploaded if committed else ExecutionStatus.Stopped,
            f"The work has ended; its outputs are {'in the catalog' if committed else 'not in the catalog yet'}.",
            {"Duration": took, "Execution_Duration": took},
        )

    def abort(self) -> None:
        """Give it up; what was registered stays on this disk.

        Raises:
            DerivaMLExecutionError: Its outputs are in the catalog already.
        """
        if self._status is ExecutionStatus.Uploaded:
            raise DerivaMLExecutionError(f"Execution {self.execution_rid} is complete, it cannot be given up.")
        self._stopped = datetime.now()
        self.update_status(ExecutionStatus.Aborted, "Given up.")

    def __exit__(self, exc_type: Any, exc_value: Any, exc_tb: Any) -> bool:
        if exc_value is None:
            if self._status is not ExecutionStatus.Aborted:
                self.execution_stop()
            return True
        self._give_up(exc_value)
        return False

    def _note(self, target: AnyStatus, detail: str, durations: Row | None = None, *, error: str | None = None) -> None:
        word = word_of(target)
        self._status = read(word)
        self._error = error or self._error
        logger.info("execution %s: %s", self.execution_rid, detail)
        if not self._dry_run:
            ml = self._ml_object
            kept = {name: took for name, took in (durations or {}).items() if has_column(ml, "Execution", name)}
            change_row(ml, "Execution", self.execution_rid, {"Status": word, "Status_Detail": detail, **kept})
            self._remember()

    def _remember(self) -> None:
        """Note it on this disk, for a process that may have to finish it."""
        if not self._register.root.is_dir():
            return  # all is done and cleaned up
        state = State.of_this_process(self.execution_rid, self.workflow_rid, self.configuration.description)
        times = {"created": self._created, "started": self._started, "stopped": self._stopped}
        noted: dict[str, Any] = {name: time.isoformat() for name, time in times.items() if time}
        replace(state, status=word_of(self._status), error=self._error, **noted).write(self._register.root)

    def _take_over(self, state: State) -> None:
        """Go on from what another process has noted."""
        self._status, self._error = read(state.status), state.error
        self._created, self._started, self._stopped = (
            datetime.fromisoformat(time) if time else None for time in (state.created, state.started, state.stopped)
        )
        self._remember()

    def _give_up(self, error: BaseException) -> None:
        """Record why the execution ends here; the error itself matters more than whether this works."""
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        status = ExecutionStatus.Aborted if interrupted else ExecutionStatus.Failed
        try:
            self.update_status(status, error="interrupted" if interrupted else f"{type(error).__name__}: {said(error)}")
        except (requests.RequestException, DerivaMLException, OSError) as second:
            logger.warning("the status of execution %s could not be recorded: %s", self.execution_rid, said(second))


def written(took: timedelta) -> str:
    """A duration as both generations write it, such as `0.0H 1.0min 2.5sec`."""
    hours, rest = divmod(took.total_seconds(), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}H {minutes}min {round(seconds, 4)}sec"
