"""What has been done in a project folder: `.deriva-ml/<program>.json`, one record a finished step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Done:
    """A finished step: when it began (seconds since the epoch), how long it took, what it gave."""

    started: float
    seconds: float
    result: Mapping[str, Any]


@dataclass
class State:
    """The finished steps of one project folder, by name."""

    path: Path
    steps: dict[str, Done] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, program: str = "cycle-zero") -> State:
        """Read the state, or begin an empty one."""
        path = folder / ".deriva-ml" / f"{program}.json"
        state = cls(path)
        if path.exists():
            state.steps = {name: Done(**record) for name, record in json.loads(path.read_text("utf-8")).items()}
        return state

    def finish(self, name: str, done: Done) -> None:
        """Record a step, in one atomic write."""
        self.steps[name] = done
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        text = json.dumps({key: asdict(value) for key, value in self.steps.items()}, indent=1)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path)

    def result(self, name: str) -> Mapping[str, Any]:
        """What a finished step gave."""
        return self.steps[name].result
