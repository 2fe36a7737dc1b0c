"""Main line's exceptions that the release lacks, each also a KitError, so that programs know remedy and exit code.

DerivaMLException                       of the release
└── MainlineError                       + KitError: message, remedy, exit code
    ├── DerivaMLConfigurationError      2  host, catalog or call is not as it must be
    │   └── DerivaMLAuthenticationError 2  nobody is logged in, or the login has no right here
    ├── DerivaMLNotFoundError           2  a RID, version or table that the catalog does not hold
    └── DerivaMLExecutionError          1
        ├── DerivaMLWorkflowError       2  the script is in no state that a Workflow can name
        │   └── DerivaMLDirtyWorkflowError
        └── DerivaMLUploadError         1  outputs registered but not, or not all, in the catalog
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deriva_ml.core.exceptions import DerivaMLException

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline.execution.report import UploadReport

SHOWN_PATHS = 10


class MainlineError(KitError, DerivaMLException):  # type: ignore[misc]  # the release is untyped
    """An error of this layer; caught as DerivaMLException by code written for the library."""


class DerivaMLConfigurationError(MainlineError):
    """The host, the catalog or the call is not as it must be."""

    exit_code = 2


class DerivaMLAuthenticationError(DerivaMLConfigurationError):
    """Nobody is logged in at the host, or the login has no right to the catalog."""


class DerivaMLNotFoundError(MainlineError):
    """The catalog holds no such RID, version or table."""

    exit_code = 2


class DerivaMLExecutionError(MainlineError):
    """An execution could not be made, restored or finished."""


class DerivaMLWorkflowError(DerivaMLExecutionError):
    """The running script is in no state that a Workflow could name."""

    exit_code = 2


class DerivaMLDirtyWorkflowError(DerivaMLWorkflowError):
    """The repository has changes that no commit holds, so nobody could check out what ran.

    Args:
        path: The script.
        dirty_paths: Changed and untracked files, relative to the repository.
    """

    def __init__(self, path: str | Path, dirty_paths: Sequence[str] | None = None) -> None:
        self.path = str(path)
        self.dirty_paths = list(dirty_paths or [])
        super().__init__(
            f"The git repository of {path} has uncommitted changes: {listed(self.dirty_paths) or 'unknown files'}.",
            remedy="Commit them first:\n  git add -A && git commit -m 'what changed and why'\n"
            "For debugging only, --allow-dirty (or DERIVA_ML_ALLOW_DIRTY=true) runs anyway and records these paths.",
        )


class DerivaMLUploadError(DerivaMLExecutionError):
    """Outputs were registered that are not in the catalog; nothing that was registered is lost locally.

    Args:
        message: What is missing and why.
        report: What did arrive.
    """

    def __init__(self, message: str, *, report: UploadReport, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.report = report


def listed(names: Sequence[str], shown: int = SHOWN_PATHS) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
