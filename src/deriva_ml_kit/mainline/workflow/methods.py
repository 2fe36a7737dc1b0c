"""What a DerivaML does with workflows."""

from __future__ import annotations

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import MLVocab
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError
from deriva_ml_kit.mainline.workflow.workflow import Workflow, unchanged_environment


class WorkflowMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with workflows."""

    def create_workflow(
        self, name: str, workflow_type: str | list[str], description: str = "", *, allow_dirty: bool = False
    ) -> Workflow:
        """Describe the running script as a workflow; `create_execution` records it.

        Args:
            name: Name for people.
            workflow_type: Term of Workflow_Type; the release stores one.
            description: What it does.
            allow_dirty: Accept uncommitted changes, and record which files they are in.

        Raises:
            DerivaMLInvalidTerm: No such workflow type.
            DerivaMLDirtyWorkflowError: The repository has uncommitted changes.
            DerivaMLWorkflowError: There is no script, repository or commit.
        """
        types = [workflow_type] if isinstance(workflow_type, str) else workflow_type
        if len(types) != 1:
            raise DerivaMLConfigurationError(f"A workflow has one type here, not {len(types)}: {', '.join(types)}.")
        term = self.lookup_term(MLVocab.workflow_type, types[0])
        return Workflow(name=name, workflow_type=term.name, description=description, allow_dirty=allow_dirty)

    def list_workflows(self) -> list[ReleasedWorkflow]:
        """All workflows of the catalog."""
        with unchanged_environment("SETUPTOOLS_USE_DISTUTILS"):
            found: list[ReleasedWorkflow] = super().list_workflows()
        return found
