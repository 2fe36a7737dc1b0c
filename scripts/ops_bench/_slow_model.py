"""A candidate that takes 20 ms a call."""

from __future__ import annotations

import time
from typing import Any


class Slow:
    def __init__(self, inner: Any) -> None:
        self.inner, self.classes_, self.feature_names_in_ = inner, inner.classes_, inner.feature_names_in_

    def predict(self, frame: Any) -> Any:
        time.sleep(0.02)
        return self.inner.predict(frame)

    def predict_proba(self, frame: Any) -> Any:
        return self.inner.predict_proba(frame)
