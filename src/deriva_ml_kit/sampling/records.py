"""Records to draw from: each once, with one label and one group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import pandas as pd

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.sampling.faults import CannotSample, listed

Missing = Literal["error", "drop", "include"]
UNLABELLED = "__missing__"  # what main line calls the class of records without a label


@dataclass(frozen=True)
class Records:
    """Records by RID.

    Attributes:
        label: RID -> class.
        group: RID -> what it belongs to; the RID itself where it belongs to nothing.
    """

    label: dict[str, str]
    group: dict[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Group -> its RIDs."""
        members: dict[str, list[str]] = {}
        for rid in self.label:
            members.setdefault(self.group.get(rid, rid), []).append(rid)
        return members

    @property
    def counts(self) -> dict[str, int]:
        """Class -> how many records."""
        return dict(sorted(Counter(self.label.values()).items()))


def records(
    rids: Iterable[object],
    labels: Iterable[object],
    groups: Iterable[object] | None = None,
    *,
    missing: Missing = "error",
) -> tuple[Records, list[Fault]]:
    """Bring rows to one for each record.

    Args:
        rids: RID of each row; a record may have several rows.
        labels: Label of each row; null for none.
        groups: What the record of each row belongs to (its Subject); null for nothing else, which makes it a group of
            its own.
        missing: What to do with records that have no label: report them, leave them out, or make them a class of
            their own, ``"__missing__"``.

    Returns:
        The records without fault, and the faults: no label, several labels, several groups.

    Raises:
        CannotSample: ``missing`` is none of the three words.
    """
    if missing not in get_args(Missing):
        raise CannotSample([Fault(f"missing must be 'error', 'drop' or 'include', not {missing!r}")])
    rows = pd.DataFrame({"rid": list(rids), "label": pd.Series(list(labels), dtype=object)})
    rows["group"] = rows["rid"] if groups is None else pd.Series(list(groups), dtype=object)
    rows["group"] = rows["group"].where(rows["group"].notna(), rows["rid"])
    label, torn = _one_each(rows.dropna(subset=["label"]), "label")
    group, split = _one_each(rows, "group")

    unlabelled = sorted(set(rows["rid"]) - label.keys() - set(torn))
    faults = [
        Fault(
            f"{rid} has {len(values)} labels: {listed(values)}",
            remedy="choose one value of each record first (a selector such as the newest, or a consensus feature)",
        )
        for rid, values in torn.items()
    ]
    faults += [Fault(f"{rid} belongs to {len(values)} groups: {listed(values)}") for rid, values in split.items()]
    if unlabelled and missing == "error":
        share = f"{len(unlabelled)} of {rows['rid'].nunique()} records have no label: {listed(unlabelled)}"
        faults.append(Fault(share, remedy="label them, or ask to 'drop' or 'include' them"))
    if missing == "include":
        label |= dict.fromkeys(unlabelled, UNLABELLED)
    return Records(dict(sorted(label.items())), {rid: group.get(rid, rid) for rid in label}), faults


def _one_each(rows: pd.DataFrame, column: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return RID -> value where there is one, and RID -> values where there are several."""
    pairs = pd.DataFrame({"rid": rows["rid"].astype(str), "value": rows[column].astype(str)}).drop_duplicates()
    several = pairs["rid"].duplicated(keep=False)
    one = pairs[~several]
    found: dict[str, list[str]] = {}
    for rid, value in sorted(zip(pairs["rid"][several], pairs["value"][several], strict=True)):
        found.setdefault(rid, []).append(value)
    return dict(zip(one["rid"], one["value"], strict=True)), found
