"""Main line's API of `deriva_ml`, on the release that people can install.

In: nothing but `deriva_ml` 1.17. Out: its names as main line has them. What the release has is handed on untouched;
what it lacks, or does otherwise than main line promises, is supplied here by subclassing.

This is the only place that knows two generations, and the only one that uses internals of `deriva_ml`:

    generation  which of the two is installed: main line's own objects are handed on untouched
    ml.py       DerivaML: the connection, with the methods of each folder below (their methods.py)
    catalog/    the connection; rows in batches; which rows belong to a dataset
    schema/     DerivaML's own tables, made and upgraded; tables, terms and how pages show them
    workflow/   Workflow: the running script, as git knows it
    execution/  Execution: inputs, outputs, status; what was left behind
    feature/    definitions, records, values; which of several is chosen; values staged and sent
    asset/      Asset objects, their files
    dataset/    Dataset, DatasetSpec
    bag/        datasets on this disk
    denormalize/  tables of a dataset side by side
    errors.py   main line's exceptions
"""

from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.generation import handed_on, has_main_line

if TYPE_CHECKING or not has_main_line():
    from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm
    from deriva_ml.dataset.aux_classes import VersionPart

    from deriva_ml_kit.mainline.asset.asset import Asset
    from deriva_ml_kit.mainline.asset.cached import CachedAsset
    from deriva_ml_kit.mainline.asset.records import AssetRecord
    from deriva_ml_kit.mainline.asset.spec import AssetSpec, AssetSpecConfig
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag
    from deriva_ml_kit.mainline.bag.stored import BagCache, CachedBag, CacheStatus
    from deriva_ml_kit.mainline.catalog.transport import Limits
    from deriva_ml_kit.mainline.dataset.dataset import Dataset
    from deriva_ml_kit.mainline.dataset.spec import DatasetHistory, DatasetReference, DatasetSpec, DatasetSpecConfig
    from deriva_ml_kit.mainline.dataset.versions import DatasetVersion
    from deriva_ml_kit.mainline.errors import (
        DerivaMLAuthenticationError,
        DerivaMLConfigurationError,
        DerivaMLCycleError,
        DerivaMLDataError,
        DerivaMLDatasetNotFound,
        DerivaMLDenormalizeAmbiguousPath,
        DerivaMLDenormalizeDownstreamLeaf,
        DerivaMLDenormalizeError,
        DerivaMLDenormalizeMultiLeaf,
        DerivaMLDenormalizeNoSink,
        DerivaMLDenormalizeUnrelatedAnchor,
        DerivaMLDirtyWorkflowError,
        DerivaMLExecutionError,
        DerivaMLFeatureNotFound,
        DerivaMLMaterializeLimitExceeded,
        DerivaMLNotFoundError,
        DerivaMLReadOnlyError,
        DerivaMLRidsNotFound,
        DerivaMLTableNotFound,
        DerivaMLUploadError,
        DerivaMLValidationError,
        DerivaMLWorkflowError,
    )
    from deriva_ml_kit.mainline.execution.collection import DatasetCollection
    from deriva_ml_kit.mainline.execution.configuration import ExecutionConfiguration
    from deriva_ml_kit.mainline.execution.execution import Execution
    from deriva_ml_kit.mainline.execution.lineage import LineageNode, LineageResult
    from deriva_ml_kit.mainline.execution.record import ExecutionRecord, MultirunStatusSummary
    from deriva_ml_kit.mainline.execution.report import UploadProgress, UploadReport
    from deriva_ml_kit.mainline.execution.status import ExecutionStatus
    from deriva_ml_kit.mainline.feature.definition import Feature, FeatureReference
    from deriva_ml_kit.mainline.feature.records import FeatureRecord
    from deriva_ml_kit.mainline.feature.selectors import reduce_with_selector, select_as_of
    from deriva_ml_kit.mainline.ml import DerivaML
    from deriva_ml_kit.mainline.schema.create import create_ml_catalog
    from deriva_ml_kit.mainline.validation.report import (
        DatasetSpecValidationReport,
        ExecutionConfigurationValidationReport,
    )
    from deriva_ml_kit.mainline.workflow.workflow import Workflow
else:
    globals().update(handed_on())

__all__ = [
    "Asset",
    "AssetRecord",
    "AssetSpec",
    "AssetSpecConfig",
    "BagCache",
    "CacheStatus",
    "CachedAsset",
    "CachedBag",
    "Dataset",
    "DatasetBag",
    "DatasetCollection",
    "DatasetHistory",
    "DatasetReference",
    "DatasetSpec",
    "DatasetSpecConfig",
    "DatasetSpecValidationReport",
    "DatasetVersion",
    "DerivaML",
    "DerivaMLAuthenticationError",
    "DerivaMLConfigurationError",
    "DerivaMLCycleError",
    "DerivaMLDataError",
    "DerivaMLDatasetNotFound",
    "DerivaMLDenormalizeAmbiguousPath",
    "DerivaMLDenormalizeDownstreamLeaf",
    "DerivaMLDenormalizeError",
    "DerivaMLDenormalizeMultiLeaf",
    "DerivaMLDenormalizeNoSink",
    "DerivaMLDenormalizeUnrelatedAnchor",
    "DerivaMLDirtyWorkflowError",
    "DerivaMLException",
    "DerivaMLExecutionError",
    "DerivaMLFeatureNotFound",
    "DerivaMLInvalidTerm",
    "DerivaMLMaterializeLimitExceeded",
    "DerivaMLNotFoundError",
    "DerivaMLReadOnlyError",
    "DerivaMLRidsNotFound",
    "DerivaMLTableNotFound",
    "DerivaMLUploadError",
    "DerivaMLValidationError",
    "DerivaMLWorkflowError",
    "Execution",
    "ExecutionConfiguration",
    "ExecutionConfigurationValidationReport",
    "ExecutionRecord",
    "ExecutionStatus",
    "Feature",
    "FeatureRecord",
    "FeatureReference",
    "Limits",
    "LineageNode",
    "LineageResult",
    "MultirunStatusSummary",
    "UploadProgress",
    "UploadReport",
    "VersionPart",
    "Workflow",
    "create_ml_catalog",
    "reduce_with_selector",
    "select_as_of",
]
