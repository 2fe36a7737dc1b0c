"""Batches of scans as they might come in: grey levels of scikit-learn's digits, some of them changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

SEED = 7
HELD_BACK = 600  # rows of a batch
FAINT = 0.6  # of the ink that a worn scanner still sees
COLUMNS = [f"p{row}{column}" for row in range(8) for column in range(8)]


def scans() -> tuple[pd.DataFrame, pd.Series[Any]]:
    """All 1,797 scans as grey levels from 0 to 255, columns p00 to p77, and what they show."""
    data, target = load_digits(return_X_y=True)
    frame = pd.DataFrame(np.rint(data / 16 * 255).astype(int), columns=COLUMNS)
    return frame, pd.Series(target.astype(str), name="digit")


def _faint(frame: pd.DataFrame) -> pd.DataFrame:
    return (frame * FAINT).round().astype(int)


def _torn(frame: pd.DataFrame) -> pd.DataFrame:
    torn = frame.astype("Int64")
    torn.loc[torn.index[::2], [f"p{row}3" for row in range(8)]] = pd.NA
    return torn


# Name, what happened, and how the scans are changed by it.
BATCHES: Mapping[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "as-usual": ("scans like those of the training", lambda frame: frame),
    "worn-scanner": ("the lamp of the scanner is worn: all ink is fainter", _faint),
    "torn-column": ("every second scan has lost a column of pixels", _torn),
    "a-handful": ("ten scans, which are too few to tell", lambda frame: frame[:10]),
}


def batch(name: str) -> pd.DataFrame:
    """The features of a batch, as the model gets them: numbers from 0 to 1."""
    frame, _ = scans()
    drawn = frame.sample(HELD_BACK, random_state=SEED).reset_index(drop=True)
    _, change = BATCHES[name]
    return change(drawn).astype("Float64") / 255
