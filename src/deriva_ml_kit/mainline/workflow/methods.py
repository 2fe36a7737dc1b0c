"""What a DerivaML does with workflows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.execution.workflow import Workflow as ReleasedWorkflow

from deriva_ml_kit.mainline.catalog.rows import Row, any_of, insert_once, table_name
from deriva_ml_kit.mainline.catalog.single import Sort, has_column, row_of, sort_clause
from deriva_ml_kit.mainline.errors import DerivaMLNotFoundError
from deriva_ml_kit.mainline.workflow import types
from deriva_ml_kit.mainline.workflow.installed import is_installed_program
from deriva_ml_kit.mainline.workflow.workflow import Workflow, types_of

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class WorkflowMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with workflows."""

    def create_workflow(
        self: DerivaML,
        name: str,
        workflow_type: str | list[str],
        description: str = "",
        *,
        allow_dirty: bool = False,
    ) -> Workflow:
        """Describe the running script as a workflow; `create_execution` records it.

        Args:
            name: Name for people.
            workflow_type: Terms of Workflow_Type, one or several.
            description: What it does.
            allow_dirty: Accept uncommitted changes, and record which files they are in.

        Raises:
            DerivaMLInvalidTerm: No such workflow type.
            DerivaMLDirtyWorkflowError: The repository has uncommitted changes.
            DerivaMLWorkflowError: There is no script, repository or commit.
        """
        terms = types.named(self, [workflow_type] if isinstance(workflow_type, str) else workflow_type)
        return Workflow(name=name, workflow_type=terms, description=description, allow_dirty=allow_dirty)

    def find_workflows(self: DerivaML, sort: Sort = None) -> list[Workflow]:
        """All workflows of the catalog.

        Args:
            sort: True for the newest first; or a function from the path of the table to one or several sort keys.
        """
        path = f"/entity/{table_name(self.ml_schema, 'Workflow')}{sort_clause(self, 'Workflow', sort)}"
        return bound(self, self.catalog.get(path).json())

    def list_workflows(self: DerivaML) -> list[Workflow]:
        """The release's name for `find_workflows`."""
        return self.find_workflows()

    def lookup_workflow(self: DerivaML, rid: str) -> Workflow:
        """A workflow by its RID. (The release's method of this name takes a URL; see `lookup_workflow_by_url`.)

        Raises:
            DerivaMLNotFoundError: No such workflow.
        """
        remedy = "With a URL or checksum: ml.lookup_workflow_by_url(…)." if ":" in rid or len(rid) > 32 else None
        return bound(self, [row_of(self, "Workflow", rid, remedy=remedy)])[0]

    def lookup_workflow_by_url(self: DerivaML, url_or_checksum: str) -> Workflow:
        """A workflow by the URL or the checksum of its script.

        Raises:
            DerivaMLNotFoundError: No such workflow.
        """
        rows = _with(self, url_or_checksum)
        if not rows:
            raise DerivaMLNotFoundError(
                f"Catalog {self.catalog_id} on {self.host_name} has no workflow "
                f"with the URL or checksum {url_or_checksum}."
            )
        return bound(self, rows[:1])[0]

    def add_workflow(self: DerivaML, workflow: ReleasedWorkflow) -> str:
        """Record a workflow, unless the catalog has it already: the same file, or the same URL.

        Returns:
            Its RID.

        Raises:
            DerivaMLInvalidTerm: No such workflow type.
        """
        if rid := getattr(workflow, "workflow_rid", None) or workflow.rid:
            return str(rid)
        # The file of an installed program may stay the same when what it calls changes; its URL has the version.
        key = workflow.url if is_installed_program(workflow.url) else workflow.checksum or workflow.url
        if there := _with(self, key):
            return str(there[0]["RID"])
        terms = types.named(self, types_of(workflow))
        row: Row = {
            "Name": workflow.name,
            "Description": workflow.description,
            "URL": workflow.url,
            "Checksum": workflow.checksum,
            "Version": workflow.version,
        }
        if has_column(self, "Workflow", types.COLUMN):
            row[types.COLUMN] = terms[0]
        rid = str(insert_once(self.catalog, self.ml_schema, "Workflow", [row])[0]["RID"])
        types.link(self, rid, terms)
        return rid

    _add_workflow = add_workflow  # main line's name


def _with(ml: DerivaML, url_or_checksum: str) -> list[Row]:
    filters = ";".join(any_of(column, [url_or_checksum]) for column in ("URL", "Checksum"))
    rows: list[Row] = ml.catalog.get(f"/entity/{table_name(ml.ml_schema, 'Workflow')}/{filters}").json()
    return sorted(rows, key=lambda row: str(row["RCT"]))


def bound(ml: DerivaML, rows: Iterable[Row]) -> list[Workflow]:
    """Rows as objects through which the catalog can be changed."""
    rows = list(rows)
    terms = types.of_rows(ml, rows)
    return [
        Workflow(
            name=row["Name"],
            url=row["URL"],
            workflow_type=terms[row["RID"]],
            version=row["Version"],
            description=row["Description"],
            workflow_rid=row["RID"],
            checksum=row["Checksum"],
        ).bind(ml)
        for row in rows
    ]
