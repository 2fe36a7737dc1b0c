"""Read from the catalog what the report shows: labels, predictions, class balance, mistakes, lineage.

In: which execution to report on. Out: `Findings`, plain values that the page is drawn from. Nothing here is taken from
what the training script printed: the catalog is asked.
"""

from __future__ import annotations

import base64
import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva.core import HatracStore, get_credential

from deriva_ml_kit.mainline import DerivaML

Row = Mapping[str, Any]
MISTAKES_SHOWN = 24


@dataclass(frozen=True)
class Question:
    """Which execution to report on, and where its labels and predictions are.

    Args:
        datasets: RID@version of each dataset whose class balance is shown, by a name for people.
        inputs: RID@version of each dataset that the execution read.
        label, prediction: Feature names on `table`; `term` is the column with the class in both.
    """

    hostname: str
    catalog_id: str
    execution: str
    datasets: Mapping[str, str]
    inputs: Sequence[str]
    table: str = "Image"
    label: str = "Digit"
    prediction: str = "Predicted_Digit"
    term: str = "Digit_Class"
    confidence: str = "Confidence"


@dataclass(frozen=True)
class Mistake:
    """An image that the model got wrong; `image` is a data URI."""

    rid: str
    truth: str
    predicted: str
    confidence: float
    image: str


@dataclass(frozen=True)
class Lineage:
    """From the results back to the commit and the data: rows of the catalog."""

    execution: Row
    workflow: Row
    outputs: Sequence[Row]
    datasets: Sequence[Row]
    makers: Sequence[Row]


@dataclass(frozen=True)
class Findings:
    """What the page shows. `confusion[i][j]` counts images of class i that were predicted as class j."""

    classes: Sequence[str]
    balance: Mapping[str, Mapping[str, int]]
    confusion: Sequence[Sequence[int]]
    mistakes: Sequence[Mistake]
    lineage: Lineage

    @property
    def total(self) -> int:
        """Images that were predicted."""
        return sum(map(sum, self.confusion))

    @property
    def right(self) -> int:
        """Images that were predicted as labelled."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of images predicted as labelled, 0 to 1."""
        return self.right / self.total


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % score interval of a share, 0 to 1 (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212)."""
    share, spread = right / total, z * z / total
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def collect(question: Question) -> Findings:
    """Ask the catalog.

    Raises:
        KitError: the host, the catalog or the execution cannot be reached.
    """
    ml = DerivaML(question.hostname, question.catalog_id)
    domain = ml.pathBuilder.schemas[ml.domain_schema]
    values = domain.tables[f"Execution_{question.table}_{question.prediction}"]
    predicted = list(values.filter(values.Execution == question.execution).entities().fetch())
    labels = ml.feature_values(question.table, question.label)
    truth = {getattr(label, question.table): getattr(label, question.term) for label in labels}
    classes = sorted(set(truth.values()) | {row[question.term] for row in predicted})
    place = {name: i for i, name in enumerate(classes)}
    confusion = [[0] * len(classes) for _ in classes]
    for row in predicted:
        confusion[place[truth[row[question.table]]]][place[row[question.term]]] += 1
    balance = {
        name: Counter(truth[rid] for rid in ml.lookup_dataset(pin.partition("@")[0]).list_members(question.table))
        for name, pin in question.datasets.items()
    }
    return Findings(classes, balance, confusion, _mistakes(ml, question, predicted, truth), _lineage(ml, question))


def _mistakes(ml: DerivaML, question: Question, predicted: Sequence[Row], truth: Mapping[str, str]) -> list[Mistake]:
    """The mistakes of which the model was surest, with their pictures from the object store."""
    wrong = [row for row in predicted if row[question.term] != truth[row[question.table]]]
    wrong.sort(key=lambda row: (-row[question.confidence], row[question.table]))
    table = ml.pathBuilder.schemas[ml.domain_schema].tables[question.table]
    store = HatracStore("https", ml.host_name, credentials=get_credential(ml.host_name))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for row in wrong[:MISTAKES_SHOWN]:
            rid = row[question.table]
            (asset,) = table.filter(rid == table.RID).entities().fetch()
            file = Path(folder) / rid
            store.get_obj(asset["URL"], destfilename=str(file))
            image = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
            found.append(Mistake(rid, truth[rid], row[question.term], row[question.confidence], image))
    return found


def _lineage(ml: DerivaML, question: Question) -> Lineage:
    """The execution, its workflow, its outputs, its input datasets and the executions that made those."""
    schema = ml.pathBuilder.schemas[ml.ml_schema]
    execution = _one(schema.tables["Execution"], question.execution)
    outputs = []
    for name in ("Execution_Asset", "Execution_Metadata"):
        link = schema.tables[f"{name}_Execution"]
        path = link.filter(link.Execution == question.execution).filter(link.Asset_Role == "Output")
        outputs += [dict(row) | {"table": name} for row in path.link(schema.tables[name]).entities().fetch()]
    used = schema.tables["Dataset_Execution"]
    version = schema.tables["Dataset_Version"]
    pinned = dict(pin.split("@") for pin in question.inputs)
    datasets, makers = [], {}
    for row in used.filter(used.Execution == question.execution).entities().fetch():
        dataset = _one(schema.tables["Dataset"], row["Dataset"])
        # The catalog links an execution with a dataset, not with its version; by now there may be newer ones.
        of_dataset = version.filter(version.Dataset == dataset["RID"])
        (was,) = of_dataset.filter(version.Version == pinned[dataset["RID"]]).entities().fetch()
        datasets.append(dict(dataset) | {"version": was["Version"], "snapshot": was["Snapshot"]})
        if was["Execution"]:
            makers[was["Execution"]] = _one(schema.tables["Execution"], was["Execution"])
    workflow = _one(schema.tables["Workflow"], execution["Workflow"])
    return Lineage(execution, workflow, outputs, datasets, list(makers.values()))


def _one(table: Any, rid: str) -> Row:
    """The row with this RID."""
    (row,) = table.filter(rid == table.RID).entities().fetch()
    return dict(row)
