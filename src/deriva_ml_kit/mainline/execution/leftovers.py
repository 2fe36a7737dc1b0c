"""Executions whose outputs were never committed: what another process needs to finish them, and which there are.

Each execution's folder holds a small JSON file from its start until its folder is removed after the commit.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

STATE = "execution.json"


@dataclass(frozen=True)
class State:
    """What is noted about an execution.

    Attributes:
        execution_rid: Its RID.
        workflow_rid: RID of its workflow.
        description: As it was configured.
        host: Machine on which it runs, or ran.
        pid: Process that runs, or ran, it.
        status: How far it was, in the catalog's words.
        error: What it failed of.
        created: When it was recorded; this and the next two in ISO form, local time.
        started: When the work began.
        stopped: When the work ended.
    """

    execution_rid: str
    workflow_rid: str
    description: str
    host: str
    pid: int
    status: str = "Created"
    error: str | None = None
    created: str | None = None
    started: str | None = None
    stopped: str | None = None

    @classmethod
    def of_this_process(cls, execution_rid: str, workflow_rid: str, description: str) -> State:
        """State of an execution that starts here and now."""
        now = datetime.now().isoformat()
        return cls(execution_rid, workflow_rid, description, platform.node(), os.getpid(), created=now)

    @property
    def running_elsewhere(self) -> bool:
        """Whether its process is alive and is not this one; of another machine nobody can tell, so no."""
        if self.host != platform.node() or self.pid == os.getpid() or sys.platform == "win32":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # somebody else's
        return True

    def write(self, root: Path) -> None:
        """Note it in an execution's folder, as a whole or not at all."""
        unfinished = root / f"{STATE}.{self.pid}"
        unfinished.write_text(json.dumps(asdict(self)), encoding="utf-8")
        unfinished.replace(root / STATE)


def read(working_dir: Path, execution_rid: str) -> State | None:
    """State of an execution; None if the working directory holds nothing of it."""
    found = {state.execution_rid: state for state in states(working_dir)}
    return found.get(execution_rid)


def pending(working_dir: Path) -> list[str]:
    """RIDs of the executions that were left behind; not of those that still run in another process."""
    return sorted(state.execution_rid for state in states(working_dir) if not state.running_elsewhere)


def states(working_dir: Path) -> list[State]:
    """What the working directory holds of any execution."""
    files = (working_dir / "deriva-ml" / "execution").glob(f"*/{STATE}")
    return [State(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
