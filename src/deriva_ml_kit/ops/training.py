"""What a training leaves for those who will serve, watch and judge its model: two calls."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.ops.drift.baseline import write_baseline
from deriva_ml_kit.ops.features.definitions import FeatureDefinitions
from deriva_ml_kit.ops.features.keeping import write_definitions
from deriva_ml_kit.ops.features.transform import Transform, load_transform
from deriva_ml_kit.ops.golden import write_golden
from deriva_ml_kit.ops.serving.model import Load, load_model
from deriva_ml_kit.ops.tracking.record import record_run

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml_kit.mainline import Execution

__all__ = ["keep_for_production", "record_run"]


def keep_for_production(
    execution: Execution,
    file: Path,
    raw: pd.DataFrame,
    *,
    transform: Transform | ModuleType | None = None,
    definitions: FeatureDefinitions | None = None,
    load: Load | None = None,
    **baseline: Any,
) -> None:
    """Write baseline profile, golden records and feature definitions beside a model; call it inside the `with`.

    Args:
        execution: The training.
        file: The model's file, written already: what is kept is what it answers after it was loaded again.
        raw: The training's records as they come in later, without labels; one row each.
        transform: The module that makes the features of them, or what `load_transform` gives; where not given, the
            records are the features.
        definitions: Of features that come from the catalog; those of the transform alone where not given.
        load: Reads the model's file; joblib's where not given.
        baseline: Settings of `write_baseline`, such as `clusters` and `times`.

    Raises:
        UsageError: Fewer than 50 records, or a setting that does not fit them.
        KitError: The model's answers depend on which records come together.
    """
    made = load_transform(transform) if isinstance(transform, ModuleType) else transform
    model = load_model(file, load=load)
    frame = (made(raw) if made else raw)[list(model.columns)]
    write_baseline(execution, frame, predictions=model.predict(frame), scores=model.scores(frame), **baseline)
    write_golden(execution, model, raw, made)
    write_definitions(execution, definitions or FeatureDefinitions(), made)
