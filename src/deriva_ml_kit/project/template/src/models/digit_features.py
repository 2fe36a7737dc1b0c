"""The features of a scan. Training, evaluation and server all make them here, so that they cannot differ."""

import pandas as pd

# Grey levels of the 8 x 8 pixels, row by row: p00 to p77.
COLUMNS = [f"p{row}{column}" for row in range(8) for column in range(8)]


def features(raw: pd.DataFrame) -> pd.DataFrame:
    """Grey levels of 0 to 255 as numbers from 0 to 1."""
    return raw[COLUMNS].astype("float64") / 255
