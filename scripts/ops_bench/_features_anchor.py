"""The same join by Feast's local store, in an interpreter that has it; also the data, for both sides.

PYTHON scripts/ops_bench/_features_anchor.py EVENTS VALUES KEYS     prints seconds, rows and peak size as JSON
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 365
BEGAN = 1_700_000_000_000_000  # µs
LATE_SHARE, LATE_DAYS = 0.3, 3.0


def make(events: int, values: int, keys: int, step: int = 1, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and values over a year; stamps are multiples of `step` seconds; 30 % of the values come late."""
    random = np.random.default_rng(seed)

    def stamps(count: int) -> np.ndarray:
        return BEGAN + random.integers(0, DAYS * 86_400 // step, count) * step * 1_000_000

    held = stamps(values)
    late = np.where(random.random(values) < LATE_SHARE, random.exponential(LATE_DAYS * 86_400e6, values), 0)
    frame = {
        "user": random.integers(0, keys, values),
        "held": _moments(held),
        "known": _moments(held + late.astype(np.int64)),
        "spend": random.normal(size=values),
        "number": np.arange(values),
    }
    asked = {"user": random.integers(0, keys, events), "event_timestamp": _moments(stamps(events))}
    return pd.DataFrame(asked), pd.DataFrame(frame)


def _moments(microseconds: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(microseconds.view("M8[us]")).tz_localize("UTC")


def main() -> None:
    os.environ["FEAST_USAGE"] = "False"
    events, values = make(*(int(text) for text in sys.argv[1:4]))
    began = time.perf_counter()
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig  # noqa: PLC0415
    from feast.types import Float64  # noqa: PLC0415
    from feast.value_type import ValueType  # noqa: PLC0415

    imported = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "values.parquet")
        values.to_parquet(file)
        config = RepoConfig(
            project="bench",
            provider="local",
            registry=str(Path(folder) / "registry.db"),
            online_store=None,
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
        )
        store = FeatureStore(config=config)
        entity = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
        source = FileSource(path=file, timestamp_field="held", created_timestamp_column="known")
        schema = [Field(name="spend", dtype=Float64)]
        view = FeatureView(name="user_v", entities=[entity], ttl=timedelta(0), schema=schema, source=source)
        store.apply([entity, view])
        began = time.perf_counter()
        found = store.get_historical_features(entity_df=events, features=["user_v:spend"]).to_df()
        taken = time.perf_counter() - began
    same_order = len(found) == len(events) and bool((found["user"].to_numpy() == events["user"].to_numpy()).all())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"seconds": taken, "import": imported, "rows": len(found), "same_order": same_order, "peak_mb": peak}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
