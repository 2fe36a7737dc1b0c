"""Main line's API of `deriva_ml`, on the release that people can install.

In: nothing but `deriva_ml` 1.17. Out: its names as main line has them. What the release has is handed on untouched;
what it lacks, or does otherwise than main line promises, is supplied here by subclassing.

This is the only place that knows two generations, and the only one that uses internals of `deriva_ml`:

    ml.py          DerivaML: connection, workflows, executions, datasets
    execution.py   Execution: inputs, outputs, status; inputs.py checks the former, before anything is written
    leftovers.py   executions that were never committed
    assets.py      output files until they are uploaded
    committing.py  all outputs of an execution into the catalog; upload.py does files, features.py values
    records.py     record classes of features
    workflow.py    Workflow: the running script; git.py asks git
    dataset.py     Dataset, DatasetSpec
    report.py      what a commit says about itself
    connection.py  what went wrong while connecting
    rows.py        writing rows in batches; lookup.py reads those that have one of many values
    exported.py    what the export of a dataset version will hold
    environment.py what is recorded about machine and Python
    errors.py      main line's exceptions
"""

from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm
from deriva_ml.dataset.aux_classes import DatasetVersion, VersionPart
from deriva_ml.dataset.dataset_bag import DatasetBag
from deriva_ml.execution.execution_configuration import ExecutionConfiguration

from deriva_ml_kit.mainline.dataset import Dataset, DatasetSpec
from deriva_ml_kit.mainline.errors import (
    DerivaMLAuthenticationError,
    DerivaMLConfigurationError,
    DerivaMLDirtyWorkflowError,
    DerivaMLExecutionError,
    DerivaMLNotFoundError,
    DerivaMLUploadError,
    DerivaMLWorkflowError,
)
from deriva_ml_kit.mainline.execution import Execution
from deriva_ml_kit.mainline.ml import DerivaML
from deriva_ml_kit.mainline.report import UploadProgress, UploadReport
from deriva_ml_kit.mainline.workflow import Workflow

__all__ = [
    "Dataset",
    "DatasetBag",
    "DatasetSpec",
    "DatasetVersion",
    "DerivaML",
    "DerivaMLAuthenticationError",
    "DerivaMLConfigurationError",
    "DerivaMLDirtyWorkflowError",
    "DerivaMLException",
    "DerivaMLExecutionError",
    "DerivaMLInvalidTerm",
    "DerivaMLNotFoundError",
    "DerivaMLUploadError",
    "DerivaMLWorkflowError",
    "Execution",
    "ExecutionConfiguration",
    "UploadProgress",
    "UploadReport",
    "VersionPart",
    "Workflow",
]
