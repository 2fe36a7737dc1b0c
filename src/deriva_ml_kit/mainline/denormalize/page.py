"""A part of a wide table, read from a catalog without reading the rest of it.

The rows are those of `joined`, in the order in which the server sorts RIDs: first the rows of `row_per`, then, for each
table above it, the records of the dataset that no such row shows. The server sorts, cuts and counts; what stands beside
the rows of a part is asked for by their values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deriva.core import urlquote
from deriva.core.ermrest_model import Table

from deriva_ml_kit.mainline.catalog.lookup import LOOKUP_BATCH, rows_with
from deriva_ml_kit.mainline.catalog.paths import Link
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, short_lists, table_name
from deriva_ml_kit.mainline.dataset.elements import element_types
from deriva_ml_kit.mainline.denormalize.join import beside, values_of
from deriva_ml_kit.mainline.denormalize.live import CatalogSource
from deriva_ml_kit.mainline.denormalize.plan import Plan, Route
from deriva_ml_kit.mainline.errors import DerivaMLValidationError

_CURSOR = re.compile(r"(?:(?P<section>[1-9]\d?):)?(?P<rid>[0-9A-Z]{1,4}(?:-[0-9A-Z]{4})*)(?:\+(?P<place>\d{1,6}))?")


@dataclass(frozen=True)
class Cursor:
    """A row of a wide table, so that one can go on behind it.

    Attributes:
        section: 0 for the rows of `row_per`; N for the records of the N-th table above it.
        rid: The record that gives the row.
        place: The row's place among those of this record.
    """

    section: int = 0
    rid: str = ""
    place: int = 0

    def __str__(self) -> str:
        return (f"{self.section}:" if self.section else "") + self.rid + (f"+{self.place}" if self.place else "")

    @staticmethod
    def of(text: str) -> Cursor:
        """Read one.

        Raises:
            DerivaMLValidationError: It is none.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise DerivaMLValidationError(f"{text!r} is no cursor.", remedy="Give that of the part before.")
        return Cursor(int(found["section"] or 0), found["rid"], int(found["place"] or 0))


@dataclass(frozen=True)
class Part:
    """A part of a wide table.

    Attributes:
        rows: Its rows, by the labels of the columns.
        cursors: For each row the cursor that goes on behind it.
        more: Whether rows follow.
    """

    rows: list[Row]
    cursors: list[Cursor]
    more: bool


class PagedCatalogSource(CatalogSource):
    """A dataset of a catalog, of whose rows a part is wanted."""

    @cached_property
    def _datasets(self) -> set[str]:
        """The dataset and those in it; of very many those that have members, so that one request can name them."""
        every = super()._datasets
        if len(every) <= LOOKUP_BATCH:
            return every
        paths = [
            f"/attributegroup/{kind.links_path}/{any_of(kind.dataset_column, batch)}/Dataset:={column}"
            for kind in element_types(self._ml)
            if kind.table.name != "Dataset" and (column := urlquote(kind.dataset_column, ""))
            for batch in batches(sorted(every), LOOKUP_BATCH)
        ]
        with_members = {row["Dataset"] for path in paths for row in self._ml.catalog.get(path).json()}
        return with_members or {self._dataset_rid}

    @cached_property
    def member_counts(self) -> dict[str, int]:
        """How many members the dataset has by table, without datasets and without terms."""
        found = {}
        for kind in element_types(self._ml):
            if kind.table.name != "Dataset" and kind.links not in self._empty:
                path = f"{kind.links_path}/{any_of(kind.dataset_column, sorted(self._datasets))}"
                count = self._aggregate(path, f"cnt_d({urlquote(kind.member_column, '')})")
                if count and not self.model.is_vocabulary(kind.table):
                    found[kind.table.name] = count
        return found

    def size(self, table: Table) -> int:
        """How many rows a table has, in whatever dataset."""
        return self._aggregate(table_name(table.schema.name, table.name), "cnt(RID)")

    def part(self, plan: Plan, limit: int, after: str | None = None) -> Part:
        """Rows of a wide table.

        Args:
            plan: The table.
            limit: How many rows at most.
            after: The cursor behind which to go on.

        Raises:
            DerivaMLValidationError: The cursor is none.
        """
        start = Cursor.of(after) if after else Cursor()
        sections: list[Route] = [(), *(plan.routes[table] for table in plan.above)]
        rows: list[Row] = []
        cursors: list[Cursor] = []
        for number, route in enumerate(sections):
            if number < start.section:
                continue
            if len(rows) == limit:
                if self.missing(plan, route):
                    return Part(rows, cursors, True)
                continue
            here = start if number == start.section else Cursor(number)
            found, more = self._section(plan, route, limit - len(rows), here)
            rows += found.values()
            cursors += found
            if more:
                return Part(rows, cursors, True)
        return Part(rows, cursors, False)

    def row_count(self, plan: Plan) -> int:
        """How many rows of `row_per` there are in the dataset, and so of the result if nothing fans out."""
        paths = list(self._paths(plan.row_per))
        return self._aggregate(paths[0], "cnt_d(RID)") if len(paths) == 1 else len(self._rids(paths))

    def missing(self, plan: Plan, route: Route) -> int:
        """How many records of the dataset at the end of a way no row shows yet."""
        table = route[-1].table
        paths = list(self._member_paths(table))
        if len(paths) != 1:
            return len(self._unseen(plan, route))
        seen = self._aggregate("/".join([paths[0], *(link.path for link in _down(plan, route))]), "cnt_d(M:RID)")
        return self._aggregate(paths[0], "cnt_d(RID)") - seen

    def shown_by(self, plan: Plan, route: Route) -> Table:
        """The nearest table below the end of a way whose rows show what is there."""
        return _down(plan, route)[-1].table

    def rows_with(self, table: Table, column: str, values: Collection[Any]) -> Iterable[Row]:
        """See `Source`; never reads rows that were not asked for."""
        wanted = self._columns(table)
        if not self.model.is_vocabulary(table):
            texts = {str(value) for value in values}
            return list(rows_with(self._ml.catalog, table.schema.name, table.name, column, texts, wanted=wanted))
        path = table_name(table.schema.name, table.name)
        return [
            row
            for batch in short_lists(sorted({str(value) for value in values}))
            for row in self._paged(f"{path}/{any_of(column, batch)}", wanted)
        ]

    def _section(self, plan: Plan, route: Route, limit: int, start: Cursor) -> tuple[dict[Cursor, Row], bool]:
        """Rows that the records of one section give, by their cursors; and whether others follow."""
        first: list[Row] = []
        if start.rid and plan.fans_out:  # the record may give more rows
            table = route[-1].table if route else plan.row_per
            first = list(self.rows_with(table, "RID", [start.rid]))
        given, more = (
            self._unseen_rows(plan, route, limit, start.rid) if route else self._lowest(plan, limit, start.rid)
        )
        wide = beside({route: [*first, *given]}, plan.joins_behind(route), self)
        labels = [(column.label, values_of(wide, plan.routes[column.table], column.name)) for column in plan.columns]
        found: dict[Cursor, Row] = {}
        place, before = 0, ""
        for number, record in enumerate(wide[route]):
            rid = str(record["RID"]) if record else ""
            place, before = (place + 1 if rid == before else 0), rid
            if rid == start.rid and place <= start.place:
                continue
            if len(found) == limit:
                return found, True
            found[Cursor(start.section, rid, place)] = {label: values[number] for label, values in labels}
        return found, more

    def _lowest(self, plan: Plan, limit: int, after: str) -> tuple[list[Row], bool]:
        """Rows of `row_per` behind a RID."""
        wanted = self._columns(plan.row_per)
        parts = [self._behind(path, wanted, limit, after) for path in self._paths(plan.row_per)]
        more = any(len(part) > limit for part in parts)
        if len(parts) == 1:
            return parts[0][:limit], more
        rows = {row["RID"]: row for part in parts for row in part}
        path = table_name(plan.row_per.schema.name, plan.row_per.name)
        order = [  # only the server knows how it sorts
            row["RID"]
            for batch in short_lists(sorted(rows))
            for row in self._paged(f"{path}/{any_of('RID', batch)}", ["RID"])
        ]
        return [rows[rid] for rid in order[:limit]], more or len(order) > limit

    def _unseen_rows(self, plan: Plan, route: Route, limit: int, after: str) -> tuple[list[Row], bool]:
        """Records at the end of a way that no row shows, behind a RID."""
        table = route[-1].table
        paths, down = list(self._member_paths(table)), _down(plan, route)
        wanted = self._columns(table)
        if len(paths) == 1 and len(down) == 1:
            here, there = (",".join(urlquote(pair[side], "") for pair in down[0].columns) for side in (0, 1))
            low = down[0].table
            path = f"{paths[0]}/left({here})=({table_name(low.schema.name, low.name)}:{there})/RID::null::/$M"
            rows = self._behind(path, wanted, limit, after)
            return list({row["RID"]: row for row in rows[:limit]}.values()), len(rows) > limit
        rids = [rid for rid in sorted(self._unseen(plan, route)) if rid > after]
        found = {row["RID"]: row for row in self.rows_with(table, "RID", rids[:limit])}
        return [found[rid] for rid in rids[:limit]], len(rids) > limit

    def _unseen(self, plan: Plan, route: Route) -> set[str]:
        """RIDs of the records at the end of a way that no row shows."""
        members, seen = set(), set()
        for path in self._member_paths(route[-1].table):
            members |= self._rids([path])
            down = "/".join([path, *(link.path for link in _down(plan, route))])
            seen |= {row["RID"] for row in self._paged(f"{down}/$M", ["RID"])}
        return members - seen

    def _member_paths(self, table: Table) -> Iterator[str]:
        """Paths of what a table holds of the members and of the rows that refer to them; M is the table."""
        for path in self._paths(table, downwards=True):
            before, _, last = path.rpartition("/")
            yield f"{before}/M:={last}"

    def _behind(self, path: str, wanted: list[str], limit: int, after: str) -> list[Row]:
        """Rows of a path behind a RID, one more than are wanted, if there are."""
        columns = ",".join(urlquote(name, "") for name in wanted)
        place = f"@after({urlquote(after, '')})" if after else ""
        rows: list[Row] = self._ml.catalog.get(f"/attribute/{path}/{columns}@sort(RID){place}?limit={limit + 1}").json()
        return rows

    def _aggregate(self, path: str, what: str) -> int:
        return int(self._ml.catalog.get(f"/aggregate/{path}/n:={what}").json()[0]["n"])


def _down(plan: Plan, route: Route) -> list[Link]:
    """The steps from the end of a way down to the nearest table whose rows would show what is there."""
    shown = {plan.routes[table] for table in plan.include}
    length = next(length for length in range(len(route) - 1, -1, -1) if route[:length] in shown)
    return [Link(link.key, up=False) for link in reversed(route[length:])]
