"""What is said about the inputs of an execution; programs read it, `model_dump()` makes it JSON."""

from __future__ import annotations

from typing import Literal

from deriva_ml.dataset.aux_classes import DatasetSpec
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from deriva_ml_kit.mainline.asset.spec import AssetSpec

DatasetReason = Literal["rid_not_found", "not_a_dataset", "version_not_found"]
DatasetWarning = Literal["dataset_deleted"]
AssetReason = Literal["rid_not_found", "not_an_asset"]
WorkflowReason = Literal["rid_not_found", "not_a_workflow"]
CrossSpecIssueKind = Literal["duplicate_rid", "version_conflict", "role_conflict"]


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class DatasetSpecResult(_Result):
    """A dataset as an input.

    Attributes:
        spec: What was asked for.
        valid: Whether it can be an input.
        reasons: Why not.
        warnings: What does not stand in the way.
        actual_table: Table of the RID, if it is no dataset.
        available_versions: Up to 20 versions, newest first, if the one asked for is missing.
        resolved_version: The version, if all is well.
        dataset_name: The dataset's description, if all is well.
    """

    spec: SerializeAsAny[DatasetSpec]
    valid: bool
    reasons: list[DatasetReason] = Field(default_factory=list)
    warnings: list[DatasetWarning] = Field(default_factory=list)
    actual_table: str | None = None
    available_versions: list[str] | None = None
    resolved_version: str | None = None
    dataset_name: str | None = None


class AssetSpecResult(_Result):
    """An asset as an input.

    Attributes:
        spec: What was asked for.
        valid: Whether it can be an input.
        reasons: Why not.
        actual_table: Table of the RID, if it is no asset.
        asset_table: Its asset table, if all is well.
        filename: Name of its file, if all is well.
    """

    spec: AssetSpec
    valid: bool
    reasons: list[AssetReason] = Field(default_factory=list)
    actual_table: str | None = None
    asset_table: str | None = None
    filename: str | None = None


class WorkflowSpecResult(_Result):
    """The workflow of an execution.

    Attributes:
        rid: Its RID.
        valid: Whether it is one.
        reasons: Why not.
        actual_table: Table of the RID, if it is no workflow.
        workflow_name: Its name, if all is well.
    """

    rid: str
    valid: bool
    reasons: list[WorkflowReason] = Field(default_factory=list)
    actual_table: str | None = None
    workflow_name: str | None = None


class CrossSpecIssue(_Result):
    """What does not go together.

    Attributes:
        issue: `duplicate_rid`: the same input twice. `version_conflict`: a dataset in two versions.
            `role_conflict`: one RID in two roles, such as dataset and asset.
        rids: The RIDs that it is about.
        detail: A sentence for a person.
    """

    issue: CrossSpecIssueKind
    rids: list[str]
    detail: str


class DatasetSpecValidationReport(_Result):
    """Some datasets as inputs.

    Attributes:
        all_valid: Whether all can be.
        results: One for each, in the order given.
    """

    all_valid: bool
    results: list[DatasetSpecResult] = Field(default_factory=list)


class ExecutionConfigurationValidationReport(_Result):
    """The inputs and the workflow of an execution.

    Attributes:
        all_valid: Whether it could start.
        dataset_results: One for each dataset, in the order given.
        asset_results: One for each asset, in the order given.
        workflow_result: None if no recorded workflow is named.
        cross_spec_issues: What does not go together.
    """

    all_valid: bool
    dataset_results: list[DatasetSpecResult] = Field(default_factory=list)
    asset_results: list[AssetSpecResult] = Field(default_factory=list)
    workflow_result: WorkflowSpecResult | None = None
    cross_spec_issues: list[CrossSpecIssue] = Field(default_factory=list)
