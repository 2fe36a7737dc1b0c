"""The same comparison by Evidently or NannyML, in an interpreter that has them; also the data, for both sides.

PYTHON scripts/ops_bench/_drift_anchor.py evidently|nannyml ROWS     prints seconds and peak size as JSON
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

import numpy as np
import pandas as pd

NUMERIC, CATEGORICAL, LEVELS = 25, 5, 8


def make(rows: int, seed: int) -> pd.DataFrame:
    """25 normal columns and 5 of 8 levels each, as text."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.standard_normal((NUMERIC, rows)).T, columns=[f"x{k}" for k in range(NUMERIC)])
    levels = np.array([f"level {k}" for k in range(LEVELS)], dtype=object)
    for k in range(CATEGORICAL):
        frame[f"c{k}"] = levels[random.integers(0, LEVELS, rows)]
    return frame


def main() -> None:
    os.environ |= {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    library, rows = sys.argv[1], int(sys.argv[2])
    before, after = make(rows, 1), make(rows, 2)
    names = [list(before.columns[:NUMERIC]), list(before.columns[NUMERIC:])]
    began = time.perf_counter()
    if library == "evidently":
        from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415
        from evidently.presets import DataDriftPreset  # noqa: PLC0415

        imported = time.perf_counter()
        what = DataDefinition(numerical_columns=names[0], categorical_columns=names[1])
        frames = [Dataset.from_pandas(frame, data_definition=what) for frame in (after, before)]
        Report([DataDriftPreset(method="psi")]).run(*frames)
        fitted = imported
    else:
        import nannyml  # noqa: PLC0415

        imported = time.perf_counter()
        made = nannyml.UnivariateDriftCalculator(
            column_names=[*names[0], *names[1]],
            treat_as_categorical=names[1],
            continuous_methods=["kolmogorov_smirnov"],
            categorical_methods=["chi2"],
            chunk_number=1,
        ).fit(before)
        fitted = time.perf_counter()
        made.calculate(after)
    print(
        json.dumps(
            {
                "import": imported - began,
                "compare": time.perf_counter() - fitted,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
