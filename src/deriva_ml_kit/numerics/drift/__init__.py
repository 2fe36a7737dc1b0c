"""Drift: freeze the distributions of training data once, compare each later batch with them.

    baseline = profile(train, predictions="Label")
    report = compare(baseline, batch, predictions="Label")

Nothing but NumPy, pandas and SciPy; a batch of a million rows of thirty columns takes a fraction of a second.
"""

from deriva_ml_kit.numerics.drift.accuracy import (
    Calibration,
    EstimatedAccuracy,
    RealisedAccuracy,
    calibration,
    confidence,
    estimated_accuracy,
    realised_accuracy,
)
from deriva_ml_kit.numerics.drift.compare import compare
from deriva_ml_kit.numerics.drift.profile import BaselineProfile, ColumnProfile, Origin, profile
from deriva_ml_kit.numerics.drift.report import Cell, ColumnReport, Comparison, DriftReport
from deriva_ml_kit.numerics.drift.seasonal import same_season

__all__ = [
    "BaselineProfile",
    "Calibration",
    "Cell",
    "ColumnProfile",
    "ColumnReport",
    "Comparison",
    "DriftReport",
    "EstimatedAccuracy",
    "Origin",
    "RealisedAccuracy",
    "calibration",
    "compare",
    "confidence",
    "estimated_accuracy",
    "profile",
    "realised_accuracy",
    "same_season",
]
