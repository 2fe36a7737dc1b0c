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
from typing import TYPE_CHECKING, Any

from deriva_ml.core.ermrest import VocabularyTerm
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow
from pydantic import Field, PrivateAttr, field_validator, model_validator

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.single import change_row, refuse_snapshot
from deriva_ml_kit.mainline.errors import DerivaMLDirtyWorkflowError, DerivaMLWorkflowError
from deriva_ml_kit.mainline.workflow import git, types

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

logger = logging.getLogger("deriva_ml_kit")


class Workflow(ReleasedWorkflow):  # type: ignore[misc]  # the release is untyped
    """A computational workflow: the running script, its repository and commit.

    One that was looked up in a catalog changes it: `description` and `workflow_type` are written when they are set.

    Attributes:
        workflow_type: Terms of Workflow_Type; one text is taken as a list of one.
        workflow_rid: Its RID, once it is recorded; `rid` in the release.
        allow_dirty: Run although the repository has uncommitted changes; also by the environment variables
            DERIVA_ML_ALLOW_DIRTY and DERIVA_ML_DRY_RUN (`true`).
        dirty_paths: Those changes, recorded with the execution.

    Raises:
        DerivaMLDirtyWorkflowError: There are uncommitted changes and nobody allowed them.
        DerivaMLWorkflowError: No script, no repository, or no commit.
    """

    workflow_type: list[str]
    version: str | None = None
    workflow_rid: str | None = None
    rid: str | None = Field(default=None, exclude=True, repr=False)
    allow_dirty: bool = False
    dirty_paths: list[str] = Field(default_factory=list)

    _ml: Any = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _one_rid(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        rid = given.get("workflow_rid") or given.get("rid")
        return given | {"workflow_rid": rid, "rid": rid}

    @field_validator("workflow_type", mode="before")
    @classmethod
    def _as_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @model_validator(mode="after")
    def setup_url_checksum(self) -> Workflow:
        """Fill in URL, checksum, version and repository from the running script."""
        self._logger = logging.getLogger("deriva_ml")
        if self.workflow_rid:
            return self
        if "DERIVA_ML_WORKFLOW_URL" in os.environ:
            self._take_from_environment()
        elif not self.url:
            self._take_from_script()
        if not self.version and self.git_root:
            self.version = version_of(Path(self.git_root))
        return self

    def _take_from_environment(self) -> None:
        """A program that runs notebooks names the notebook for us."""
        self.url = os.environ["DERIVA_ML_WORKFLOW_URL"]
        self.checksum = os.environ.get("DERIVA_ML_WORKFLOW_CHECKSUM", "")
        if notebook := os.environ.get("DERIVA_ML_NOTEBOOK_PATH"):
            self.git_root = self._get_git_root(Path(notebook))
            self.dirty_paths = git.uncommitted(Path(self.git_root)) if self.git_root else []
            self.is_notebook = True

    def _take_from_script(self) -> None:
        script, self.is_notebook = self._get_python_script()
        if not script.is_file():
            raise DerivaMLWorkflowError(
                "No script file is running (an interactive session, standard input, `python -c` or `python -m`), "
                "so a run could not say which code ran.",
                remedy="Save the code as a file in a git repository, commit it, and run that file.",
            )
        source = _committed(script, allow_dirty=self.allow_dirty)
        self.dirty_paths = list(source.dirty_paths)
        self.git_root = source.root
        self.url = source.url
        self.checksum = ReleasedWorkflow.get_url_and_checksum(script)[1] if self.is_notebook else source.checksum
        if source.remote is None:
            logger.info("%s has no remote 'origin'; the workflow is recorded as %s", source.root, self.url)

    @staticmethod
    def get_url_and_checksum(executable_path: Path, allow_dirty: bool = False) -> tuple[str, str]:
        """The URL and git's hash of a script, without making a workflow of it.

        Args:
            executable_path: The script.
            allow_dirty: Accept uncommitted changes.

        Raises:
            DerivaMLDirtyWorkflowError: The repository has uncommitted changes.
            DerivaMLWorkflowError: The script is in no repository, or the repository has no commit.
        """
        source = _committed(Path(executable_path), allow_dirty=allow_dirty)
        return source.url, source.checksum

    def bind(self, ml: DerivaML) -> Workflow:
        """Let changes go to a catalog; gives the workflow itself."""
        self._ml = ml
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("description", "workflow_type") and self.workflow_rid and self._ml is not None:
            if name == "description":
                change_row(self._ml, "Workflow", self.workflow_rid, {"Description": value})
            else:
                value = self._retyped([value] if isinstance(value, str) else value)
        super().__setattr__(name, value)
        if name in ("rid", "workflow_rid"):
            self.__dict__["rid"] = self.__dict__["workflow_rid"] = value

    @property
    def workflow_types(self) -> list[str]:
        """Terms of Workflow_Type, as the catalog has them now."""
        if self._ml is None or not self.workflow_rid:
            return list(self.workflow_type)
        rows = list(rows_with(self._ml.catalog, self._ml.ml_schema, "Workflow", "RID", [self.workflow_rid]))
        return types.of_rows(self._ml, rows).get(self.workflow_rid, [])

    def add_workflow_type(self, workflow_type: str | VocabularyTerm) -> None:
        """Add a type, in the catalog.

        Raises:
            DerivaMLInvalidTerm: No such term.
            DerivaMLWorkflowError: This workflow is not recorded.
            DerivaMLReadOnlyError: It was looked up in a snapshot.
        """
        self.add_workflow_types(workflow_type)

    def add_workflow_types(self, workflow_types: str | VocabularyTerm | list[str | VocabularyTerm]) -> None:
        """Add several types, as `add_workflow_type` adds one."""
        given = workflow_types if isinstance(workflow_types, list) else [workflow_types]
        self._recorded()
        self.workflow_type = [*self.workflow_types, *(_name(term) for term in given)]

    def remove_workflow_type(self, workflow_type: str | VocabularyTerm) -> None:
        """Take a type away, in the catalog; one that the workflow does not have is no error.

        Raises:
            DerivaMLInvalidTerm: No such term.
            DerivaMLConfigurationError: It is the only one.
            DerivaMLWorkflowError: This workflow is not recorded.
            DerivaMLReadOnlyError: It was looked up in a snapshot.
        """
        (gone,) = types.named(self._recorded(), [_name(workflow_type)])
        if gone in (now := self.workflow_types):
            self.workflow_type = [term for term in now if term != gone]

    def _retyped(self, given: list[str]) -> list[str]:
        ml = self._recorded()
        refuse_snapshot(ml)
        terms = types.named(ml, given)
        types.replace(ml, str(self.workflow_rid), self.workflow_types, terms)
        return terms

    def _recorded(self) -> DerivaML:
        if self._ml is None or not self.workflow_rid:
            raise DerivaMLWorkflowError(
                f"The workflow {self.name} is not recorded in a catalog yet.",
                remedy="Record it and look it up: ml.lookup_workflow(ml.add_workflow(workflow)).",
            )
        ml: DerivaML = self._ml
        return ml


def _committed(script: Path, *, allow_dirty: bool) -> git.Source:
    source = git.describe(script)
    if source.dirty_paths and not (allow_dirty or _says_true("DERIVA_ML_ALLOW_DIRTY", "DERIVA_ML_DRY_RUN")):
        raise DerivaMLDirtyWorkflowError(script, source.dirty_paths)
    return source


def types_of(workflow: ReleasedWorkflow) -> list[str]:
    """The types of a workflow, also of one of the release's, which has one."""
    given = workflow.workflow_type
    return [given] if isinstance(given, str) else list(given)


def _name(term: str | VocabularyTerm) -> str:
    return term if isinstance(term, str) else str(term.name)


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
