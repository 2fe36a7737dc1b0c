"""Brings an index up to date, in one transaction.

Whether anything has changed, the catalog's snapshot time says: where it is the one that the index was made at, nothing
is read. A catalog that took the place of another, under the same name and number, has other times of birth: its oldest
asset type was made at another moment. Then, and where time has gone backwards, the index starts from nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import requests

from deriva_ml_kit.mainline.catalog.rows import table_name
from deriva_ml_kit.tools.index import described, model, references
from deriva_ml_kit.tools.index.documents import Document, Kind
from deriva_ml_kit.tools.index.reading import Changes, Source, catch_up, extent, forget, known, to_read
from deriva_ml_kit.tools.index.store import Store
from deriva_ml_kit.tools.index.updates import Refreshed, replace

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.tools.call import Call

Row = dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """How much a refresh may read at most; tables that take more are left as they are.

    Attributes:
        rows: Rows.
        seconds: Time.
    """

    rows: int
    seconds: float


@dataclass(frozen=True)
class Subject:
    """A table whose rows can be found.

    Attributes:
        kind: What its rows are.
        source: The table.
        links: Tables whose rows belong to its rows.
        describe: Makes the document of a row; None where it is not to be found.
    """

    kind: Kind
    source: Source
    links: tuple[Source, ...]
    describe: Callable[[str, Row], Document | None]


def refresh(store: Store, call: Call, budget: Budget | None = None) -> Refreshed:
    """Bring an index up to date with its catalog.

    Args:
        store: The index.
        call: The call that this is part of; has the catalog.
        budget: How much to read at most; without one everything, also if another process has to finish first.

    Raises:
        ToolError: The call was cancelled; the index is as it was.
    """
    done = Refreshed()
    references.refresh(store, call.check, done, wait=budget is None)
    ml = call.ml
    snaptime = str(ml.catalog.get("/").json()["snaptime"])
    if store.state("snaptime") == snaptime:
        return done
    with store.writing(call.check, wait=budget is None) as mine:
        if not mine:
            done.busy = True
        elif store.state("snaptime") != snaptime:
            _Refresh(store, ml, call, budget, done).run(snaptime)
    return done


def is_earlier(snaptime: str, other: str) -> bool:
    """Whether a snapshot time lies before another."""
    return (len(snaptime), snaptime) < (len(other), other)


class _Refresh:
    def __init__(self, store: Store, ml: DerivaML, call: Call, budget: Budget | None, done: Refreshed) -> None:
        self.store, self.ml, self.call, self.done = store, ml, call, done
        self.steps = 0
        self.rows = budget.rows if budget else None
        self.deadline = time.monotonic() + budget.seconds if budget else None

    def run(self, snaptime: str) -> None:
        self._same_catalog(snaptime)
        self._model()
        subjects = [*self._vocabularies(), *self._workflows(), *self._datasets()]
        self._forget_others(subjects)
        executions = self._executions()
        reworded: set[str] = set()
        for subject in subjects:
            changes = self._subject(subject, set())
            if subject.kind is Kind.WORKFLOW and executions:
                of = executions.source.name
                reworded |= {rid for workflow in changes.changed for rid in self.store.rows_of(of, workflow)}
        if executions:
            self._subject(executions, reworded)
        if not self.done.left:
            self.store.note("snaptime", snaptime)
        self.store.note("indexed", snaptime)

    def _same_catalog(self, snaptime: str) -> None:
        path = f"/aggregate/{table_name(self.ml.ml_schema, 'Asset_Type')}/born:=min(RCT)"
        born = str(self.ml.catalog.get(path).json()[0]["born"])
        before = self.store.state("indexed")
        if before and (self.store.state("born") != born or is_earlier(snaptime, before)):
            pages = self.store.state(references.SOURCE)
            self.store.clear(keep=references.SOURCE)
            self.store.note(references.SOURCE, pages)
            before = ""
        self.done.anew = not before
        self.store.note("born", born)

    def _model(self) -> None:
        tag = self.ml.catalog.get("/schema").headers.get("ETag", "")
        if not tag or self.store.state(model.SOURCE) != tag:
            replace(self.store, model.SOURCE, model.documents(self.ml), self.done)
            self.store.note(model.SOURCE, tag)

    def _subject(self, subject: Subject, touched: set[str]) -> Changes:
        """Catch up with a table and the tables that belong to it, and write the documents of what has changed."""
        changes = self._caught_up(subject.source)
        for link in subject.links:
            touched |= self._caught_up(link).touched
        gone = set(changes.removed)
        rids = dict.fromkeys((*changes.added, *changes.changed, *sorted(touched - gone)))
        for n, rid in enumerate(rids, 1):
            row = self.store.row(subject.source.name, rid)
            document = subject.describe(rid, row) if row is not None else None
            if document is not None:
                self.done.count(subject.kind, self.store.put(document))
            elif rid:
                gone.add(rid)
            if n % 1000 == 0:
                self._progress(f"{subject.source.name}: indexed {n} of {len(rids)}")
        self.done.removed[subject.kind] += self.store.drop(described.key(subject.source.name, rid) for rid in gone)
        return changes

    def _caught_up(self, source: Source) -> Changes:
        self._progress(source.name)
        try:
            now, before = extent(self.ml.catalog, source), known(self.store, source)
        except requests.HTTPError as error:
            if error.response.status_code not in (401, 403):
                raise
            self.done.closed.append(source.name)
            return Changes()
        if now == before:
            return Changes()
        if self.rows is not None and self.deadline is not None:
            needed = to_read(self.ml.catalog, source, before, now)
            if needed > self.rows or time.monotonic() > self.deadline:
                self.done.left[source.name] = needed
                return Changes()
            self.rows -= needed
        return catch_up(self.ml.catalog, self.store, source, now, self._progress)

    def _progress(self, said: str) -> None:
        """Say how far it is, in steps of a thousand rows read or indexed."""
        self.steps += 1
        self.call.progress(self.steps, None, said)

    def _forget_others(self, subjects: Iterable[Subject]) -> None:
        """Forget tables that are gone."""
        current = {source.name for subject in subjects for source in (subject.source, *subject.links)}
        if executions := self._executions():
            current.add(executions.source.name)
        for name in self.store.sources().keys() - current:
            forget(self.store, name)
            replace(self.store, name, (), self.done)

    def _vocabularies(self) -> list[Subject]:
        found = []
        for table in model.vocabularies(self.ml):
            spelt = {column.name.upper(): column.name for column in table.columns}
            names = ("Name", "Description", "Synonyms")
            columns = {name: spelt[name.upper()] for name in names if name.upper() in spelt}
            source = Source(table.schema.name, table.name, columns)
            found.append(Subject(Kind.TERM, source, (), partial(described.term, source.name)))
        return found

    def _workflows(self) -> list[Subject]:
        source = self._source("Workflow", "Name", "Description", "URL", "Workflow_Type")
        types = self._source("Workflow_Workflow_Type", "Workflow", "Workflow_Type", of="Workflow")

        def describe(rid: str, row: Row) -> Document:
            assert source
            kinds = [each["Workflow_Type"] for each in self._linked(types, rid)]
            return described.workflow(source.name, rid, row, kinds)

        return [Subject(Kind.WORKFLOW, source, _there(types), describe)] if source else []

    def _executions(self) -> Subject | None:
        source = self._source("Execution", "Workflow", "Description", "Status", of="Workflow")
        workflows = f"{self.ml.ml_schema}:Workflow"

        def describe(rid: str, row: Row) -> Document:
            assert source
            return described.execution(source.name, rid, row, self.store.row(workflows, row["Workflow"] or "") or {})

        return Subject(Kind.EXECUTION, source, (), describe) if source else None

    def _datasets(self) -> list[Subject]:
        source = self._source("Dataset", "Description", "Deleted")
        types = self._source("Dataset_Dataset_Type", "Dataset", "Dataset_Type", of="Dataset")
        versions = self._source("Dataset_Version", "Dataset", "Version", "Snapshot", of="Dataset")
        periods = self._source("Dataset_Dev", "Dataset", "Base_Version", "Counter", of="Dataset")

        def describe(rid: str, row: Row) -> Document | None:
            assert source
            if row.get("Deleted"):
                return None
            kinds = [each["Dataset_Type"] for each in self._linked(types, rid)]
            version = current_version(rid, self._linked(versions, rid), self._linked(periods, rid))
            return described.dataset(source.name, rid, row, kinds, version)

        return [Subject(Kind.DATASET, source, _there(types, versions, periods), describe)] if source else []

    def _linked(self, source: Source | None, rid: str) -> list[Row]:
        return list(self.store.rows_of(source.name, rid).values()) if source else []

    def _source(self, table: str, *columns: str, of: str = "") -> Source | None:
        """A table of DerivaML's schema with those of the columns that this catalog has."""
        schema = self.ml.model.model.schemas[self.ml.ml_schema]
        if table not in schema.tables:
            return None
        there = schema.tables[table].columns.elements
        return Source(schema.name, table, {name: name for name in columns if name in there}, of)


def current_version(rid: str, released: list[Row], periods: list[Row]) -> str | None:
    """The version that a dataset is in, by its versions and its period of development."""
    from deriva_ml_kit.mainline.dataset.periods import Versions  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.dataset.versions import DatasetVersion  # noqa: PLC0415
    from deriva_ml_kit.mainline.errors import MainlineError  # noqa: PLC0415

    try:
        rows = sorted(released, key=lambda row: DatasetVersion.parse(row["Version"]))
        return str(Versions(rid, rows, periods[0] if periods else None).current)
    except MainlineError:  # none, or one that nobody can read
        return None


def _there(*sources: Source | None) -> tuple[Source, ...]:
    return tuple(source for source in sources if source)
