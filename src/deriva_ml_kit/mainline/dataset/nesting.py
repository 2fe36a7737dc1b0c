"""Datasets within datasets, level by level: a request for each level, however many datasets it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.catalog.lookup import rows_with

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


def children(ml: DerivaML, rids: Iterable[str], *, recurse: bool = False) -> list[str]:
    """RIDs of the datasets in some datasets, in the order in which they were put there; each once.

    Args:
        ml: The catalog.
        rids: RIDs of datasets.
        recurse: With the datasets in those, and so on, after them.
    """
    return _next(ml, rids, "Dataset", "Nested_Dataset", recurse=recurse)


def parents(ml: DerivaML, rids: Iterable[str], *, recurse: bool = False) -> list[str]:
    """RIDs of the datasets that some datasets are in; each once.

    Args:
        ml: The catalog.
        rids: RIDs of datasets.
        recurse: With the datasets that those are in, and so on, after them.
    """
    return _next(ml, rids, "Nested_Dataset", "Dataset", recurse=recurse)


def relatives(ml: DerivaML, rid: str) -> list[str]:
    """A dataset, and all that are linked with it upwards, downwards or over several steps, such as siblings."""
    found, new = [rid], [rid]
    while new:
        near = dict.fromkeys([*children(ml, new), *parents(ml, new)])
        new = [one for one in near if one not in found]
        found += new
    return found


def _next(ml: DerivaML, rids: Iterable[str], here: str, there: str, *, recurse: bool) -> list[str]:
    found: dict[str, None] = {}
    level = list(dict.fromkeys(rids))
    passed = set(level)
    while level:
        wanted = [here, there, "RID", "RCT"]
        rows = rows_with(ml.catalog, ml.ml_schema, "Dataset_Dataset", here, level, wanted=wanted)
        linked = [row[there] for row in sorted(rows, key=lambda row: (row["RCT"], row["RID"]))]
        level = [rid for rid in dict.fromkeys(linked) if rid not in passed]
        found |= dict.fromkeys(level)
        passed |= set(level)
        if not recurse:
            break
    return list(found)
