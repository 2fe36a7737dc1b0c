"""Which terms of Dataset_Type a dataset has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from deriva.core import urlquote
from deriva_ml.core.definitions import MLVocab, VocabularyTerm

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import insert, table_name

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

Types: TypeAlias = str | VocabularyTerm | Sequence[str | VocabularyTerm] | None
LINKS = "Dataset_Dataset_Type"


def names(ml: DerivaML, types: Types) -> list[str]:
    """Names of terms, given by name, by synonym or as terms; each once.

    Raises:
        DerivaMLInvalidTerm: The vocabulary has no such term.
    """
    given = [types] if isinstance(types, str | VocabularyTerm) else types or []
    terms = (one if isinstance(one, VocabularyTerm) else ml.lookup_term(MLVocab.dataset_type, one) for one in given)
    return list(dict.fromkeys(str(term.name) for term in terms))


def types_of(ml: DerivaML, rids: Iterable[str]) -> dict[str, list[str]]:
    """The types of datasets, by RID."""
    found: dict[str, list[str]] = {rid: [] for rid in rids}
    for row in rows_with(ml.catalog, ml.ml_schema, LINKS, "Dataset", [*found]):
        found[row["Dataset"]].append(row["Dataset_Type"])
    return found


def add(ml: DerivaML, rid: str, types: Iterable[str]) -> None:
    """Give a dataset types; those that it has are left as they are."""
    rows = ({"Dataset": rid, "Dataset_Type": name} for name in types)
    insert(ml.catalog, ml.ml_schema, LINKS, rows, skip_conflicts=True)


def remove(ml: DerivaML, rid: str, name: str) -> None:
    """Take a type from a dataset that has it."""
    row = f"Dataset={urlquote(rid, '')}/Dataset_Type={urlquote(name, '')}"
    ml.catalog.delete(f"/entity/{table_name(ml.ml_schema, LINKS)}/{row}")
