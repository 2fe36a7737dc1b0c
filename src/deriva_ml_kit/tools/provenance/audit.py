"""Which rows no execution is known to have made.

Some rows say it themselves: values of features, versions of datasets, files by their links. Members of a dataset belong
to the first version after them, and to its execution. All others are known where a `writes.jsonl` names them. What is
made with every catalog, such as DerivaML's own terms, is nobody's finding; nor are links that belong to a row that is
looked at anyway, such as a file's types.

Tables are counted by the server. Only where some rows are recorded and others perhaps not are the RIDs of a table read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from deriva.core import urlquote

from deriva_ml_kit.mainline.asset.links import execution_link
from deriva_ml_kit.mainline.catalog.paged import paged
from deriva_ml_kit.mainline.catalog.rows import Row, table_name
from deriva_ml_kit.mainline.catalog.single import has_column
from deriva_ml_kit.mainline.schema.terms import TERMS
from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.provenance.records import Recorded, recorded_in
from deriva_ml_kit.tools.schema.kind import Kind, is_own_link, kinds_of

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.tools.call import Call

SAMPLE = 5
PAGE_ROWS = 20_000
# DerivaML's own tables whose rows are looked at; the others hold what belongs to those, or to an execution.
OWN = ("Dataset", "Dataset_Version", "Dataset_Dev", "Dataset_Dataset", "Dataset_File")


@dataclass(frozen=True)
class Finding:
    """What is known about the rows of a table.

    Attributes:
        table: The table.
        kind: What it holds.
        total: How many rows it has.
        unknown: How many of them no execution is known to have made.
        sample: RIDs of the first of those.
    """

    table: Table
    kind: Kind
    total: int
    unknown: int
    sample: list[str]


@dataclass(frozen=True)
class Audit:
    """What an audit has found.

    Attributes:
        findings: Every table that was looked at.
        tables: Tables of the domain that no execution is known to have made.
        recorded: What executions have recorded.
    """

    findings: list[Finding]
    tables: list[Table]
    recorded: Recorded


def audit(call: Call) -> Audit:
    """Look at all rows of a catalog."""
    recorded = recorded_in(call)
    ml = call.ml
    auditor = _Auditor(ml, recorded)
    schemas = [ml.model.schemas[name] for name in sorted({*ml.domain_schemas, ml.ml_schema})]
    tables = [table for schema in schemas for table in schema.tables.values()]
    kinds = kinds_of(ml, tables)
    findings = []
    for done, (table, kind) in enumerate(kinds.items()):
        call.progress(done, len(kinds), f"{table.schema.name}:{table.name}")
        if (found := auditor.look(table, kind)) is not None:
            findings.append(found)
    made = [
        table
        for table in tables
        if table.schema.name in ml.domain_schemas and (table.schema.name, table.name) not in recorded.tables
    ]
    return Audit(findings, made, recorded)


class _Auditor:
    def __init__(self, ml: DerivaML, recorded: Recorded) -> None:
        self.ml = ml
        self.recorded = recorded

    def look(self, table: Table, kind: Kind) -> Finding | None:
        """What is known about the rows of a table; nothing if they are no rows to look at."""
        own = table.schema.name == self.ml.ml_schema
        if own and kind not in (Kind.ASSET, Kind.VOCABULARY) and table.name not in OWN:
            return None
        if kind is Kind.ASSOCIATION and is_own_link(self.ml, table):
            return None
        total = paging.total(self.ml.catalog, _path(table))
        return Finding(table, kind, total, *(self._unknown(table, kind, own=own) if total else (0, [])))

    def _unknown(self, table: Table, kind: Kind, *, own: bool) -> tuple[int, list[str]]:
        if kind is Kind.ASSET:
            return self._assets(table, own=own)
        if kind is Kind.FEATURE or table.name in ("Dataset_Version", "Dataset_Dev"):
            return self._unnoted(table, f"{_path(table)}/Execution::null::")
        if kind is Kind.VOCABULARY and own:
            return self._terms(table)
        if own and table.name == "Dataset":
            return self._datasets(table)
        if kind is Kind.DATASET:
            return self._members(table)
        return self._unnoted(table, _path(table))

    def _noted(self, table: Table) -> set[str]:
        return self.recorded.rows.get((table.schema.name, table.name), set())

    def _unnoted(self, table: Table, path: str) -> tuple[int, list[str]]:
        """Rows of a path that no record names."""
        noted = self._noted(table)
        if not noted:
            rows, _ = paging.part(self.ml.catalog, path, SAMPLE, wanted=["RID"])
            return paging.total(self.ml.catalog, path), [row["RID"] for row in rows]
        return _counted(row["RID"] for row in self._rows(path) if row["RID"] not in noted)

    def _terms(self, table: Table) -> tuple[int, list[str]]:
        """Terms of DerivaML's own vocabularies; those that every catalog begins with do not count."""
        noted = self._noted(table)
        begun = TERMS.get(table.name, {})
        rows = self._rows(_path(table), "Name")
        return _counted(row["RID"] for row in rows if row["RID"] not in noted and row["Name"] not in begun)

    def _assets(self, table: Table, *, own: bool) -> tuple[int, list[str]]:
        """Files that no execution has as its output; of DerivaML's own tables, that none has at all.

        An execution also stores its input files there, and a `File` is only ever linked.
        """
        link = execution_link(table)
        if link is None:
            return self._unnoted(table, _path(table))
        linked = f"{link.path}" + ("" if own else "/Asset_Role=Output")
        made = self.ml.catalog.get(f"/aggregate/{linked}/n:=cnt_d({urlquote(link.asset, '')})").json()[0]["n"]
        if made == paging.total(self.ml.catalog, _path(table)):
            return 0, []
        known = {row[link.asset] for row in self._rows(linked, link.asset)} | self._noted(table)
        return _counted(row["RID"] for row in self._rows(_path(table)) if row["RID"] not in known)

    def _datasets(self, table: Table) -> tuple[int, list[str]]:
        """Datasets whose first version no execution has made."""
        noted = self._noted(table)
        makers = self.makers
        return _counted(
            row["RID"]
            for row in self._rows(_path(table))
            if row["RID"] not in noted and not (makers[row["RID"]] and makers[row["RID"]][0].execution)
        )

    def _members(self, table: Table) -> tuple[int, list[str]]:
        """Members of datasets that no record names, and that belong to no execution's version."""
        noted = self._noted(table)
        makers = self.makers
        rows = self._rows(_path(table), "Dataset", "RCT")
        return _counted(
            row["RID"] for row in rows if row["RID"] not in noted and not _maker(makers[row["Dataset"]], row["RCT"])
        )

    @cached_property
    def makers(self) -> dict[str, list[_Made]]:
        """For each dataset, when its states came about and by which executions, the first one first."""
        schema = self.ml.ml_schema
        made: dict[str, list[_Made]] = defaultdict(list)
        for row in paged(self.ml.catalog, f"{schema}:Dataset_Version", wanted=["RID", "Dataset", "RCT", "Execution"]):
            made[row["Dataset"]].append(_Made(datetime.fromisoformat(row["RCT"]), row["Execution"]))
        if has_column(self.ml, "Dataset_Dev"):
            for row in paged(self.ml.catalog, f"{schema}:Dataset_Dev", wanted=["RID", "Dataset", "RMT", "Execution"]):
                made[row["Dataset"]].append(_Made(datetime.fromisoformat(row["RMT"]), row["Execution"]))
        for states in made.values():
            states.sort(key=lambda state: state.when)
        return made

    def _rows(self, path: str, *columns: str) -> Iterator[Row]:
        return paged(self.ml.catalog, path, wanted=["RID", *columns], page_rows=PAGE_ROWS)


@dataclass(frozen=True)
class _Made:
    """A state of a dataset: a version, or what it is like since the last one."""

    when: datetime
    execution: str | None


def _maker(states: Sequence[_Made], created: str) -> str | None:
    """The execution that made the first state which holds a row that was created then."""
    place = bisect_left(states, datetime.fromisoformat(created), key=lambda state: state.when)
    return states[place].execution if place < len(states) else None


def _counted(rids: Iterable[str]) -> tuple[int, list[str]]:
    """How many there are, and the first of them."""
    sample: list[str] = []
    count = 0
    for count, rid in enumerate(rids, start=1):  # noqa: B007  (the number of the last one)
        if len(sample) < SAMPLE:
            sample.append(rid)
    return count, sample


def _path(table: Table) -> str:
    return table_name(table.schema.name, table.name)
