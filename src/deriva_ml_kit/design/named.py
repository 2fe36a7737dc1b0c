"""What Validation names: the features to compare, and the dataset to compare them on.

Pure: a document in, names out; `measure` finds them in the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deriva_ml_kit.design.document import REQUIREMENTS, VALIDATION, Design, Threshold
from deriva_ml_kit.errors import UsageError

_FEATURE = re.compile(r"`(\w+)(?:\.(\w+))?`\s+(?:on|of|about)\s+(?:the\s+)?(?:table\s+)?`(\w+)`")
_PIN = re.compile(r"`([A-Za-z0-9_-]+)`")
_AT = re.compile(r"\b([0-9A-Z]{1,4}(?:-[0-9A-Z]{4})*)@([0-9][0-9A-Za-z.+-]*[0-9A-Za-z]|[0-9])")
_TYPE = re.compile(r"(?i:\btypes?)\s+`?([A-Za-z]\w*)`?")


@dataclass(frozen=True)
class NamedFeature:
    """A feature of a table, and which of its columns is meant where that is said."""

    table: str
    name: str
    column: str | None = None
    newest: bool = False

    def __str__(self) -> str:
        return f"{self.name} on {self.table}"


@dataclass(frozen=True)
class NamedDataset:
    """A dataset by its pin, by RID and version, or by its type; one of the three."""

    pin: str | None = None
    rid: str | None = None
    version: str | None = None
    kind: str | None = None

    def __str__(self) -> str:
        return self.pin or (f"{self.rid}@{self.version}" if self.rid else f"of type {self.kind}")


def feature(design: Design, key: str) -> NamedFeature | None:
    """The feature that an item of Validation names as `Feature` on `Table`; `newest` if it says that the newest counts.

    Raises:
        UsageError: The item is there and names none.
    """
    item = design.item(VALIDATION, key)
    if item is None:
        return None
    found = _FEATURE.search(item.text)
    if found is None:
        raise UsageError(
            f"{design.file}:{item.line}: {key} names no feature of a table.",
            remedy=f"Write it as: - {key}: `Diagnosis` on `Image`",
        )
    return NamedFeature(found[3], found[1], found[2], newest=bool(re.search(r"(?i)\bnewest\b", item.text)))


def features(design: Design) -> Iterator[tuple[NamedFeature, int]]:
    """Every `Feature` on `Table` that Requirements or Validation names, with its line."""
    for title in (REQUIREMENTS, VALIDATION):
        section = design.section(title)
        for line in section.lines if section else ():
            for found in _FEATURE.finditer(line.text):
                yield NamedFeature(found[3], found[1], found[2]), line.number


def input_feature(design: Design) -> NamedFeature | None:
    """The first feature that the model reads, as the item Input features says."""
    item = design.item(REQUIREMENTS, "Input features")
    found = _FEATURE.search(item.text) if item else None
    return NamedFeature(found[3], found[1], found[2]) if found else None


def dataset(design: Design) -> NamedDataset | None:
    """The dataset on which the threshold is to be met, as the item Dataset says, or else the item Metric."""
    for key in ("Dataset", "Metric"):
        item = design.item(VALIDATION, key)
        if item is None:
            continue
        if found := _AT.search(item.text):
            return NamedDataset(rid=found[1], version=found[2])
        if found := _TYPE.search(item.text):
            return NamedDataset(kind=found[1])
        if key == "Dataset" and (found := _PIN.search(item.text)):
            return NamedDataset(pin=found[1])
    return None


def threshold(design: Design, metric: str | None) -> Threshold:
    """The threshold that decides: the only one, or that of a metric.

    Raises:
        UsageError: There is none, or several and none of them is meant.
    """
    known = design.thresholds
    chosen = [each for each in known if metric is None or normal(each.metric) == normal(metric)]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(map(str, known)) or "none"
    raise UsageError(
        f"{design.file} states {'no' if not chosen else 'more than one'} threshold"
        f"{f' for {metric}' if metric else ''}; it has: {listed}.",
        remedy="Name one with --metric." if known else "Write one under Validation: - Threshold: accuracy >= 0.95",
    )


def normal(metric: str) -> str:
    """A metric's name whatever its spelling: `Balanced accuracy` is `balanced_accuracy`."""
    return re.sub(r"[\s-]+", "_", metric.strip().lower())
