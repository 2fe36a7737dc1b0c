"""Drift with the catalog as its record.

documents   baseline, report, response: what is kept
baseline    the profile of training data, written in the training or afterwards
columns     a batch, taken apart into what is compared
lookup      which baseline belongs to a model, an execution, what is in service
monitor     a batch against a baseline, as an execution
plots       the page of a report
metrics     its figures as OpenMetrics text
response    who is told, and what is started
webhook     a message to a web address
history     profiles of earlier batches
schedule    the same every day: cron, systemd, CI
labels      labels that come later: accuracy over time, concept drift
labelled    the same as an execution, with its page
"""

from deriva_ml_kit.ops.drift.baseline import attach_baseline, write_baseline
from deriva_ml_kit.ops.drift.documents import Baseline, DriftReport, DriftResponse, Settings
from deriva_ml_kit.ops.drift.lookup import (
    baseline_in_service,
    baseline_of_execution,
    baseline_of_model,
    find_baseline,
)

__all__ = [
    "Baseline",
    "DriftReport",
    "DriftResponse",
    "Settings",
    "attach_baseline",
    "baseline_in_service",
    "baseline_of_execution",
    "baseline_of_model",
    "find_baseline",
    "write_baseline",
]
