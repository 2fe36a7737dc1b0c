"""`Workflow`: the script that runs, named so that it can be found again.

Differs from the release in that it refuses uncommitted changes unless told otherwise, works in a repository without
remote, looks at the repository of the script (wherever the process was started), and leaves the environment alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow
from pydantic import Field, model_validator

from deriva_ml_kit.mainline.errors import DerivaMLDirtyWorkflowError, DerivaMLWorkflowError
from deriva_ml_kit.mainline.workflow import git

logger = logging.getLogger("deriva_ml_kit")


class Workflow(ReleasedWorkflow):  # type: ignore[misc]  # the release is untyped
    """A computational workflow: the running script, its repository and commit.

    Attributes:
        allow_dirty: Run although the repository has uncommitted changes; also by the environment variables
            DERIVA_ML_ALLOW_DIRTY and DERIVA_ML_DRY_RUN (`true`).
        dirty_paths: Those changes, recorded with the execution.

    Raises:
        DerivaMLDirtyWorkflowError: There are uncommitted changes and nobody allowed them.
        DerivaMLWorkflowError: No script, no repository, or no commit.
    """

    version: str | None = None
    allow_dirty: bool = False
    dirty_paths: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def setup_url_checksum(self) -> Workflow:
        """Fill in URL, checksum, version and repository from the running script."""
        self._logger = logging.getLogger("deriva_ml")
        if "DERIVA_ML_WORKFLOW_URL" in os.environ:
            self._take_from_environment()
        elif not (self.rid or self.url):
            self._take_from_script()
        if not self.version and self.git_root and not self.rid:
            self.version = version_of(Path(self.git_root))
        return self

    def _take_from_environment(self) -> None:
        """A program that runs notebooks names the notebook for us."""
        self.url = os.environ["DERIVA_ML_WORKFLOW_URL"]
        self.checksum = os.environ.get("DERIVA_ML_WORKFLOW_CHECKSUM", "")
        if notebook := os.environ.get("DERIVA_ML_NOTEBOOK_PATH"):
            self.git_root = self._get_git_root(Path(notebook))
            self.is_notebook = True

    def _take_from_script(self) -> None:
        script, self.is_notebook = self._get_python_script()
        if not script.is_file():
            raise DerivaMLWorkflowError(
                "No script file is running (an interactive session, standard input, `python -c` or `python -m`), "
                "so a run could not say which code ran.",
                remedy="Save the code as a file in a git repository, commit it, and run that file.",
            )
        source = git.describe(script)
        if source.dirty_paths and not (self.allow_dirty or _says_true("DERIVA_ML_ALLOW_DIRTY", "DERIVA_ML_DRY_RUN")):
            raise DerivaMLDirtyWorkflowError(script, source.dirty_paths)
        self.dirty_paths = list(source.dirty_paths)
        self.git_root = source.root
        self.url = source.url
        self.checksum = self.get_url_and_checksum(script)[1] if self.is_notebook else source.checksum
        if source.remote is None:
            logger.info("%s has no remote 'origin'; the workflow is recorded as %s", source.root, self.url)


def version_of(root: Path) -> str:
    """Version of a repository by its tags: `1.2.3` at a tag, `1.2.4.dev5+g1a2b3c4` after it."""
    with unchanged_environment("SETUPTOOLS_USE_DISTUTILS"):
        try:
            return str(ReleasedWorkflow.get_dynamic_version(root=str(root)))
        except Exception:  # tags that are no versions, a shallow clone: setuptools-scm raises many kinds
            return git.described_version(root)


@contextlib.contextmanager
def unchanged_environment(name: str) -> Iterator[None]:
    """Undo what the library does to one environment variable.

    It sets SETUPTOOLS_USE_DISTUTILS=stdlib, with which every child process on Python 3.12 or later fails to import it.
    """
    before = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def _says_true(*names: str) -> bool:
    return any(os.environ.get(name, "").lower() in ("true", "1", "yes") for name in names)
