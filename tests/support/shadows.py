"""A candidate that misbehaves in the process of the shadow, which finds it here by name."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

PARENT = "TESTS_SHADOW_PARENT"  # names the process of the server
FAILS, DIES = 500.0, 600.0  # values of mean_radius


class Misbehaving:
    """Takes 20 ms, fails on some values, dies of others."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.classes_, self.feature_names_in_ = inner.classes_, inner.feature_names_in_

    def predict(self, frame: pd.DataFrame) -> Any:
        if os.environ[PARENT] != str(os.getpid()):
            time.sleep(0.02)
            if (frame["mean_radius"] == DIES).any():
                os._exit(1)
            if (frame["mean_radius"] == FAILS).any():
                raise ValueError("not today")
        return self.inner.predict(frame)

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        return self.inner.predict_proba(frame)


def load(path: Path) -> Any:
    return Misbehaving(joblib.load(path))
