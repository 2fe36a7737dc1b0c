"""Rows for tests of datasets."""

from __future__ import annotations

from uuid import uuid4

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.rows import insert


def make_images(ml: DerivaML, count: int) -> list[str]:
    names = [uuid4().hex for _ in range(count)]
    rows = ({"URL": f"/hatrac/{n}", "Filename": n, "Length": 1, "MD5": n, "Split": "train"} for n in names)
    wanted = ["Description", "Position"]
    return [row["RID"] for row in insert(ml.catalog, "lab", "Image", rows, defaults=wanted)]
