"""Vocabularies: terms by name or synonym, added, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deriva.core import urlquote
from deriva.core.ermrest_model import Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.core.definitions import VocabularyTerm
from deriva_ml.core.enums import MLVocab
from deriva_ml.core.exceptions import DerivaMLInvalidTerm, DerivaMLTableTypeError
from pydantic import Field, PrivateAttr, field_validator

from deriva_ml_kit.mainline.catalog.rows import Row, insert, table_name
from deriva_ml_kit.mainline.errors import DerivaMLValidationError, listed
from deriva_ml_kit.nearest import suggestion

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

# What a term is called, and what it is about: these can be changed.
COLUMNS = {"description": "Description", "synonyms": "Synonyms"}


class VocabularyTermHandle(VocabularyTerm):  # type: ignore[misc]  # the release is untyped
    """A term in the catalog; to assign `description` or `synonyms` changes them there."""

    synonyms: tuple[str, ...] = Field(alias="Synonyms", default=())
    _vocabulary: Vocabulary = PrivateAttr()

    @field_validator("synonyms", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return value or ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in COLUMNS:
            self._vocabulary.change(self, COLUMNS[name], list(value) if name == "synonyms" else value)
            value = tuple(value) if name == "synonyms" else value
        super().__setattr__(name, value)

    def delete(self) -> None:
        """Remove the term from the catalog.

        Raises:
            DerivaMLValidationError: It is in use.
        """
        self._vocabulary.delete(self)


class Vocabulary:
    """The terms of one vocabulary, read once and again when one is not among them.

    Args:
        catalog: ErmrestCatalog or a snapshot of one.
        table: Table of the terms.
    """

    def __init__(self, catalog: Any, table: Table) -> None:
        self._catalog = catalog
        self._table = table
        self._path = table_name(table.schema.name, table.name)
        # The columns in this catalog's spelling.
        self._columns = {column.name.upper(): column.name for column in table.columns}
        self._known: dict[str, VocabularyTermHandle] | None = None

    def lookup(self, name: str) -> VocabularyTermHandle:
        """The term of this name or synonym; names come first.

        Raises:
            DerivaMLInvalidTerm: There is none.
        """
        for again in (self._known is None, True):
            known = self._read() if again else self._known or {}
            if name in known:
                return known[name]
        raise DerivaMLInvalidTerm(self._table.name, name, f"Term doesn't exist; {suggestion(name, known).rstrip('.')}")

    def terms(self) -> list[Row]:
        """The terms as they are now, with the columns' customary names."""
        rows = self._catalog.get(f"/entity/{self._path}").json()
        return [{wanted: row[self._columns[wanted.upper()]] for wanted in NAMES} for row in rows]

    def add(self, name: str, description: str, synonyms: Iterable[str]) -> VocabularyTermHandle | None:
        """Add a term; None if there is one of this name."""
        row = dict(zip(("NAME", "DESCRIPTION", "SYNONYMS"), (name, description, list(synonyms)), strict=True))
        made = insert(
            self._catalog,
            self._table.schema.name,
            self._table.name,
            [{self._columns[key]: value for key, value in row.items()}],
            defaults=(self._columns["ID"], self._columns["URI"]),
            skip_conflicts=True,
        )
        self._known = None
        return self._handle({wanted: made[0][self._columns[wanted.upper()]] for wanted in NAMES}) if made else None

    def change(self, term: VocabularyTermHandle, column: str, value: Any) -> None:
        """Store what a term is about."""
        column = self._columns[column.upper()]
        path = f"/attributegroup/{self._path}/RID;{urlquote(column, '')}"
        self._catalog.put(path, json=[{"RID": term.rid, column: value}])
        self._known = None

    def delete(self, term: VocabularyTermHandle) -> None:
        """Remove a term that nothing refers to; the database would remove what does."""
        users = {where: count for where, count in self._uses(term) if count}
        if users:
            counts = [f"{count} row{'s' if count > 1 else ''} of {where}" for where, count in users.items()]
            raise DerivaMLValidationError(
                f"{self._table.name} {term.name!r} is in use: {listed(counts)}.", remedy="Change those rows first."
            )
        self._catalog.delete(f"/entity/{self._path}/RID={term.rid}")
        self._known = None

    def _uses(self, term: VocabularyTermHandle) -> Iterable[tuple[str, int]]:
        values = {"NAME": term.name, "ID": term.id, "URI": term.uri, "RID": term.rid}
        for key in self._table.referenced_by:
            value = urlquote(values[key.referenced_columns[0].name.upper()], "")
            of = table_name(key.table.schema.name, key.table.name)
            column = urlquote(key.foreign_key_columns[0].name, "")
            yield key.table.name, self._catalog.get(f"/aggregate/{of}/{column}={value}/n:=cnt(*)").json()[0]["n"]

    def _read(self) -> dict[str, VocabularyTermHandle]:
        terms = [self._handle(row) for row in self.terms()]
        self._known = {synonym: term for term in terms for synonym in term.synonyms}
        self._known |= {term.name: term for term in terms}
        return self._known

    def _handle(self, row: Row) -> VocabularyTermHandle:
        made = VocabularyTermHandle(**row)
        made._vocabulary = self
        return made


NAMES = ("RID", "Name", "Description", "Synonyms", "ID", "URI")


class VocabularyMethods(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML does with vocabularies."""

    def lookup_term(self: DerivaML, table: str | Table, term_name: str) -> VocabularyTermHandle:
        """The term of a name or synonym. Vocabularies are read once, and again where a term is not found.

        Raises:
            DerivaMLInvalidTerm: The vocabulary has no such term.
            DerivaMLTableTypeError: The table is no vocabulary.
        """
        return self._vocabulary(table).lookup(term_name)

    def list_vocabulary_terms(self: DerivaML, table: str | Table) -> list[VocabularyTerm]:
        """All terms of a vocabulary.

        Raises:
            DerivaMLTableTypeError: The table is no vocabulary.
        """
        # A list of synonyms for every term: the release's `add_files` fails on None.
        rows = self._vocabulary(table).terms()
        return [VocabularyTerm(**(row | {"Synonyms": row["Synonyms"] or []})) for row in rows]

    def add_term(
        self: DerivaML,
        table: str | Table,
        term_name: str,
        description: str,
        synonyms: list[str] | None = None,
        exists_ok: bool = True,
    ) -> VocabularyTermHandle:
        """Add a term to a vocabulary.

        Args:
            table: The vocabulary.
            term_name: Name of the term.
            description: What it means.
            synonyms: Other names of it.
            exists_ok: Give the term that is there already, as it is.

        Raises:
            DerivaMLInvalidTerm: The term exists, and exists_ok is false.
            DerivaMLTableTypeError: The table is no vocabulary.
        """
        vocabulary = self._vocabulary(table)
        if made := vocabulary.add(term_name, description, synonyms or ()):
            return made
        if not exists_ok:
            raise DerivaMLInvalidTerm(self.model.name_to_table(table).name, term_name, msg="term already exists")
        return vocabulary.lookup(term_name)

    def delete_term(self: DerivaML, table: str | Table, term_name: str) -> None:
        """Remove a term from a vocabulary.

        Raises:
            DerivaMLInvalidTerm: The vocabulary has no such term.
            DerivaMLValidationError: Rows refer to it.
            DerivaMLTableTypeError: The table is no vocabulary.
        """
        self.lookup_term(table, term_name).delete()

    def clear_vocabulary_cache(self: DerivaML, table: str | Table | None = None) -> None:
        """Have a vocabulary, or all of them, read again when a term is looked up next."""
        if table is None:
            self._vocabularies.clear()
        else:
            self._vocabularies.pop(self.model.name_to_table(table), None)

    def _vocabulary(self: DerivaML, table: str | Table) -> Vocabulary:
        found = self.model.name_to_table(table.value if isinstance(table, MLVocab) else table)
        if found not in self._vocabularies:
            if not self.model.is_vocabulary(found):
                raise DerivaMLTableTypeError("vocabulary", found.name)
            self._vocabularies[found] = Vocabulary(self.catalog, found)
        return self._vocabularies[found]
