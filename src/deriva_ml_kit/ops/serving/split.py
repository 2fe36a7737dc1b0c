"""Which arm a request goes to, by a file that a rollout writes; sticky, since it depends on the unit's name alone.

    {"salt": "rollout-3-WXYZ", "share": 0.05, "shadow": false}

Of the units, the first `share` on the line of the salt go to the candidate; raising the share keeps all of them there.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deriva_ml_kit.numerics.assignment import bucket

PRODUCTION, CANARY, SHADOW = "production", "canary", "shadow"
LOOK = 1.0  # seconds between looks at the file
_log = logging.getLogger(__name__)


class Split(BaseModel):
    """How requests are split between the model in production and a candidate.

    Attributes:
        salt: Of the rollout; another one gives another, independent split.
        share: Part of the units that the candidate answers, 0 to 1.
        shadow: Whether the candidate also sees what production answers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    salt: str = Field(min_length=1, pattern="^[^:]*$")
    share: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    shadow: bool = False

    def arm(self, unit: str) -> str:
        """The arm of a unit."""
        return CANARY if self.share and bucket(self.salt, unit) < self.share else PRODUCTION


class SplitFile:
    """The split of a file; read again when the file changes.

    A file that is missing or wrong changes nothing: the last good one holds, at first everything goes to production.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._current = Split(salt="none")
        self._stamp: tuple[int, int] | None = None
        self._looked = 0.0

    def __call__(self) -> Split:
        """The split that holds now."""
        now = time.monotonic()
        if now - self._looked >= LOOK or not self._looked:
            self._looked = now
            self._look()
        return self._current

    def _look(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._current = Split.model_validate_json(self._path.read_bytes())
            _log.info("split: %s", self._current)
        except (OSError, ValidationError) as error:
            _log.error("%s cannot be read, the split stays as it was: %s", self._path, error)
