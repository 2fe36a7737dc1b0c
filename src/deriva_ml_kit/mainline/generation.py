"""Which generation of `deriva_ml` is installed, and where main line keeps the names that we supply on the release.

A capability is looked for, never a version: main line's executions have `commit_output_assets`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Module of main line -> names that it defines. A test compares this with main line's surface.
HOMES: dict[str, tuple[str, ...]] = {
    "deriva_ml.asset.asset": ("Asset",),
    "deriva_ml.asset.asset_record": ("AssetRecord",),
    "deriva_ml.asset.aux_classes": ("AssetSpec", "AssetSpecConfig"),
    "deriva_ml.core.base": ("DerivaML",),
    "deriva_ml.core.ermrest": ("UploadProgress",),
    "deriva_ml.core.exceptions": (
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
    ),
    "deriva_ml.core.storage": ("CachedAsset", "CachedBag"),
    "deriva_ml.dataset.aux_classes": (
        "DatasetHistory",
        "DatasetReference",
        "DatasetSpec",
        "DatasetSpecConfig",
        "DatasetVersion",
        "FeatureReference",
        "VersionPart",
    ),
    "deriva_ml.dataset.bag_cache": ("BagCache", "CacheStatus"),
    "deriva_ml.dataset.dataset": ("Dataset",),
    "deriva_ml.dataset.dataset_bag": ("DatasetBag",),
    "deriva_ml.dataset.validation": ("DatasetSpecValidationReport", "ExecutionConfigurationValidationReport"),
    "deriva_ml.execution.dataset_collection": ("DatasetCollection",),
    "deriva_ml.execution.execution": ("Execution",),
    "deriva_ml.execution.execution_configuration": ("ExecutionConfiguration",),
    "deriva_ml.execution.execution_record": ("ExecutionRecord", "MultirunStatusSummary"),
    "deriva_ml.execution.lineage": ("LineageNode", "LineageResult"),
    "deriva_ml.execution.state_store": ("ExecutionStatus",),
    "deriva_ml.execution.upload_report": ("UploadReport",),
    "deriva_ml.execution.workflow": ("Workflow",),
    "deriva_ml.feature": ("Feature", "FeatureRecord", "reduce_with_selector"),
    "deriva_ml.schema.create_schema": ("create_ml_catalog",),
}

# Our additions, which main line lacks and which work with its objects too: name -> module.
OWN: dict[str, str] = {
    "Limits": "deriva_ml_kit.mainline.catalog.transport",
    "select_as_of": "deriva_ml_kit.mainline.feature.selectors",
}


@cache
def has_main_line() -> bool:
    """Whether the installed `deriva_ml` is main line, whose objects need nothing from us."""
    with _hydra_settings_kept():
        execution = importlib.import_module("deriva_ml.execution.execution").Execution
    return hasattr(execution, "commit_output_assets")


@contextmanager
def _hydra_settings_kept() -> Iterator[None]:
    """Set Hydra's settings aside: the release registers its own when it is imported, and fails where others are."""
    hydra = sys.modules.get("hydra.core.config_store")
    entries = hydra.ConfigStore.instance().repo.get("hydra", {}) if hydra else {}
    ours = entries.pop("config.yaml", None)
    try:
        yield
    finally:
        if ours is not None:
            entries["config.yaml"] = ours


def handed_on() -> dict[str, Any]:
    """Main line's own objects, by the names under which we supply them on the release, and our additions."""
    homes = {name: home for home, names in HOMES.items() for name in names} | OWN
    return {name: getattr(importlib.import_module(home), name) for name, home in homes.items()}
