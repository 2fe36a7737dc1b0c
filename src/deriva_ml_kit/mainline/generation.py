"""Which generation of `deriva_ml` is installed, and where main line keeps the names that we supply on the release.

A capability is looked for, never a version: main line's executions have `commit_output_assets`.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

# Module of main line -> names that it defines. A test compares this with main line's surface.
HOMES: dict[str, tuple[str, ...]] = {
    "deriva_ml.core.base": ("DerivaML",),
    "deriva_ml.core.ermrest": ("UploadProgress",),
    "deriva_ml.core.exceptions": (
        "DerivaMLAuthenticationError",
        "DerivaMLConfigurationError",
        "DerivaMLDirtyWorkflowError",
        "DerivaMLException",
        "DerivaMLExecutionError",
        "DerivaMLInvalidTerm",
        "DerivaMLNotFoundError",
        "DerivaMLUploadError",
        "DerivaMLWorkflowError",
    ),
    "deriva_ml.dataset.aux_classes": ("DatasetSpec", "DatasetVersion", "VersionPart"),
    "deriva_ml.dataset.dataset": ("Dataset",),
    "deriva_ml.dataset.dataset_bag": ("DatasetBag",),
    "deriva_ml.execution.execution": ("Execution",),
    "deriva_ml.execution.execution_configuration": ("ExecutionConfiguration",),
    "deriva_ml.execution.upload_report": ("UploadReport",),
    "deriva_ml.execution.workflow": ("Workflow",),
}


@cache
def has_main_line() -> bool:
    """Whether the installed `deriva_ml` is main line, whose objects need nothing from us."""
    execution = importlib.import_module("deriva_ml.execution.execution").Execution
    return hasattr(execution, "commit_output_assets")


def handed_on() -> dict[str, Any]:
    """Main line's own objects, by the names under which we supply them on the release."""
    return {name: getattr(importlib.import_module(home), name) for home, names in HOMES.items() for name in names}
