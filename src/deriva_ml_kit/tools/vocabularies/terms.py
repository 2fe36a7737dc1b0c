"""Terms of a vocabulary, looked up by the server: there may be 100,000."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from deriva_ml_kit.tools import paging
from deriva_ml_kit.tools.failure import Code, ToolError

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

    from deriva_ml_kit.mainline import DerivaML


class Term(BaseModel):
    """A term, with the columns' customary names."""

    RID: str
    Name: str = Field(description="What rows that refer to it store")
    Description: str | None = None
    Synonyms: list[str] = Field(default_factory=list, description="Other names, understood where files are read")


class Terms:
    """The terms of a vocabulary, whose columns older catalogs spell in capitals.

    Attributes:
        path: Its table, as it stands in a request.
    """

    def __init__(self, ml: DerivaML, table: Table) -> None:
        from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415  (takes seconds)

        self.path = table_name(table.schema.name, table.name)
        self._catalog = ml.catalog
        self._spelt = {column.name.upper(): column.name for column in table.columns}
        self._name, self._synonyms = self._spelt["NAME"], self._spelt["SYNONYMS"]
        # Other servers make synonyms of JSON, whose elements a request cannot ask for.
        self._asked = [self._name]
        if table.columns[self._synonyms].type.typename.endswith("[]"):
            self._asked.append(self._synonyms)

    def page(self, limit: int, *, after: str | None, containing: str | None) -> tuple[list[Term], bool]:
        """Terms by name behind the one of a RID, and whether more follow.

        Raises:
            ToolError: No term has this RID.
        """
        behind = () if after is None else (self._name_of(paging.as_rid(after)), after)
        rows, more = paging.part(
            self._catalog, self.path + self._holding(containing), limit, sort=(self._name, "RID"), after=behind
        )
        return [self._term(row) for row in rows], more

    def count(self, containing: str | None = None) -> int:
        """How many there are."""
        return paging.total(self._catalog, self.path + self._holding(containing))

    def same(self, name: str, synonyms: Sequence[str]) -> Term | None:
        """The term of a name, if there is one.

        Raises:
            ToolError: Another term has the name or one of the synonyms.
        """
        found = self._called([name, *synonyms])
        same = next((term for term in found if term.Name == name), None)
        asked = synonyms if same else [name, *synonyms]
        others = [term for term in found if term is not same]
        taken = {one: term.Name for term in others for one in asked if one in (term.Name, *term.Synonyms)}
        if not taken:
            return same
        said = [f"{one!r} is {'' if one == term else 'a synonym of '}the term {term!r}" for one, term in taken.items()]
        raise ToolError(
            Code.CONFLICT,
            f"In this vocabulary {'; '.join(said)}.",
            remedy="Use that term, or leave out what it has already.",
            candidates=sorted(set(taken.values())),
        )

    def _called(self, names: Sequence[str]) -> list[Term]:
        """The terms that have one of these as name or synonym."""
        from deriva_ml_kit.mainline.catalog.rows import any_of  # noqa: PLC0415  (takes seconds)

        asked = f"/{';'.join(any_of(column, names) for column in self._asked)}" if len(self._asked) > 1 else ""
        rows = self._catalog.get(f"/entity/{self.path}{asked}").json()
        return [term for term in map(self._term, rows) if {term.Name, *term.Synonyms} & {*names}]

    def _holding(self, text: str | None) -> str:
        """Filter for terms with a text in their name or a synonym, in any letter case."""
        from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

        tests = [f"{column}::ciregexp::{urlquote(re.escape(text), '')}" for column in self._asked] if text else []
        return f"/{';'.join(tests)}" if tests else ""

    def _name_of(self, rid: str) -> str:
        found = self._catalog.get(f"/entity/{self.path}/RID={rid}").json()
        if not found:
            raise paging.no_cursor(rid)
        return str(found[0][self._name])

    def _term(self, row: paging.Row) -> Term:
        synonyms = row[self._synonyms] or []
        return Term(
            RID=row["RID"],
            Name=row[self._name],
            Description=row[self._spelt["DESCRIPTION"]],
            Synonyms=synonyms if isinstance(synonyms, list) else [synonyms],
        )


def differences(term: Term, description: str, synonyms: Sequence[str]) -> list[str]:
    """What of a wanted term is not as in the catalog."""
    notes = []
    if missing := [one for one in synonyms if one not in term.Synonyms]:
        notes.append(f"It does not have the synonyms {', '.join(map(repr, missing))}.")
    if term.Description != description:
        notes.append("Its description is another.")
    return [*notes, "This tool changes no term."] if notes else []
