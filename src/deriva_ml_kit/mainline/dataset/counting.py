"""How many records a dataset holds in a version, counted by the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.rows import any_of, batches
from deriva_ml_kit.mainline.dataset import nesting
from deriva_ml_kit.mainline.dataset.elements import element_types

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.dataset.spec import DatasetSpec
    from deriva_ml_kit.mainline.ml import DerivaML

BATCH = 500  # datasets of one request


def record_count(ml: DerivaML, spec: DatasetSpec) -> int:
    """Return the number of members, those of nested datasets included, each once.

    A request for each element type; above 500 nested datasets one for each 500, and a member of two of these counts
    twice.
    """
    then = ml.catalog_snapshot(ml._version_snapshot(spec))
    within = [spec.rid, *nesting.children(then, [spec.rid], recurse=True)]
    count = 0
    for kind in element_types(then):
        if kind.table.name == "Dataset":
            continue
        for batch in batches(within, BATCH):
            path = f"/aggregate/{kind.links_path}/{any_of(kind.dataset_column, batch)}"
            count += then.catalog.get(f"{path}/n:=cnt_d({urlquote(kind.member_column, '')})").json()[0]["n"]
    return count
