"""Definitions and tables of features as outputs of executions, and whether definitions changed in silence since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import Faults
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.ops.documents import fetch
from deriva_ml_kit.ops.features.definitions import FeatureDefinitions
from deriva_ml_kit.ops.features.historical import write_parquet
from deriva_ml_kit.ops.golden import versions
from deriva_ml_kit.ops.kinds import MODELS, AssetType

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.ops.features.historical import HistoricalFeatures
    from deriva_ml_kit.ops.features.transform import Transform
    from deriva_ml_kit.ops.frames import Origin
    from deriva_ml_kit.ops.operation import Operation

DEFINITIONS_FILE = "feature-definitions.json"
TABLE_FILE = "features.parquet"
# Documents that are looked at for the version before; the newest say it nearly always.
LOOKED_AT = 20


def write_definitions(execution: Any, definitions: FeatureDefinitions, transform: Transform | None = None) -> Path:
    """Keep the definitions that a training used as one of its outputs; a model is registered by their digest.

    Args:
        execution: The training, not committed yet.
        definitions: Of the features that the model gets.
        transform: The module that makes features of raw records, where there is one.
    """
    kept = definitions.model_copy(update={"transform": transform.sha256}) if transform else definitions
    path = Path(execution.asset_file_path(MODELS, DEFINITIONS_FILE, asset_types=str(kept.KIND)))
    path.write_text(kept.text(), encoding="utf-8")
    return path


def keep(doing: Operation, found: HistoricalFeatures) -> None:
    """Keep a table of features, with its origin in it, and the definitions, as outputs of an operation."""
    found.write(doing.file(TABLE_FILE, AssetType.FEATURE_TABLE))
    doing.keep(found.definitions, DEFINITIONS_FILE)


def keep_transformed(doing: Operation, made: pd.DataFrame, transform: Transform, origin: Origin) -> None:
    """Keep features that a module made of raw records, as an output of an operation: with the module's SHA-256."""
    told = {"raw": origin.model_dump(mode="json"), "transform": transform.sha256, "libraries": versions()}
    write_parquet(made, doing.file(TABLE_FILE, AssetType.FEATURE_TABLE), json.dumps(told))


def refuse_silent_changes(ml: DerivaML, definitions: FeatureDefinitions) -> None:
    """Make sure that a feature that is another than when it was last used has a new version.

    Raises:
        Faults: Each feature that changed in silence.
    """
    open_names = {feature.name for feature in definitions.features}
    faults = []
    seen: set[str] = set()
    assets = {asset.asset_rid: asset for asset in ml.find_assets(MODELS, str(AssetType.FEATURE_DEFINITIONS))}
    rows = rows_with(ml.catalog, ml.ml_schema, MODELS, "RID", list(assets), wanted=["RID", "RCT"])
    for row in sorted(rows, key=lambda row: str(row["RCT"]), reverse=True):
        asset = assets[row["RID"]]
        if not open_names or len(seen) == LOOKED_AT:
            break
        if asset.md5 in seen:
            continue
        seen.add(asset.md5)
        before = fetch(ml, asset.asset_rid, FeatureDefinitions).document
        known = {feature.name for feature in before.features} & open_names
        mine = [feature for feature in definitions.features if feature.name in known]
        if mine:
            faults += definitions.model_copy(update={"features": tuple(mine)}).changed_since(before)
        open_names -= known
    if faults:
        raise Faults(faults, message="Features changed, and kept their version; nothing was written.")
