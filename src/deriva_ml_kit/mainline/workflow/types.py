"""The types of workflows: the release stores one in a column, main line any number in an association.

Where the catalog has both, the column holds the first type, so that the plain release goes on working.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from deriva_ml.core.definitions import MLVocab

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import Row, any_of, insert, table_name
from deriva_ml_kit.mainline.catalog.single import change_row, has_column
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

ASSOCIATION = "Workflow_Workflow_Type"
COLUMN = "Workflow_Type"


def named(ml: DerivaML, types: Iterable[str]) -> list[str]:
    """The terms of these names or synonyms, each once.

    Raises:
        DerivaMLInvalidTerm: No such term.
        DerivaMLConfigurationError: There are several, and this catalog stores one.
    """
    terms = list(dict.fromkeys(ml.lookup_term(MLVocab.workflow_type, name).name for name in types))
    if not terms:
        raise DerivaMLConfigurationError("A workflow has at least one type; none is given.")
    if len(terms) > 1 and not has_column(ml, ASSOCIATION):
        raise DerivaMLConfigurationError(
            f"Workflows of this catalog have one type, not {len(terms)}: {', '.join(terms)}.",
            remedy=f"deriva-ml-kit upgrade-catalog --hostname {ml.host_name} --catalog-id {ml.catalog_id}",
        )
    return terms


def of_rows(ml: DerivaML, rows: Collection[Row]) -> dict[str, list[str]]:
    """The types of workflows, by RID; the column's first.

    Args:
        ml: The catalog.
        rows: Rows of Workflow.
    """
    found: dict[str, list[str]] = {row["RID"]: [row[COLUMN]] if row.get(COLUMN) else [] for row in rows}
    if has_column(ml, ASSOCIATION):
        for link in rows_with(ml.catalog, ml.ml_schema, ASSOCIATION, "Workflow", found):
            if link[COLUMN] not in found[link["Workflow"]]:
                found[link["Workflow"]].append(link[COLUMN])
    return found


def replace(ml: DerivaML, rid: str, old: Collection[str], new: list[str]) -> None:
    """Give a workflow other types.

    Args:
        ml: The catalog.
        rid: The workflow.
        old: Types that it has.
        new: Terms, at least one.
    """
    if has_column(ml, "Workflow", COLUMN):
        change_row(ml, "Workflow", rid, {COLUMN: new[0]})
    if has_column(ml, ASSOCIATION):
        link(ml, rid, new)
        if gone := sorted(set(old) - set(new)):
            links = f"/entity/{table_name(ml.ml_schema, ASSOCIATION)}/{any_of('Workflow', [rid])}"
            there = {row[COLUMN] for row in ml.catalog.get(links).json()}
            if here := [name for name in gone if name in there]:
                ml.catalog.delete(f"{links}/{any_of(COLUMN, here)}")


def link(ml: DerivaML, rid: str, types: Iterable[str]) -> None:
    """Note the types of a workflow in the association, where the catalog has one."""
    if has_column(ml, ASSOCIATION):
        rows: list[Row] = [{"Workflow": rid, COLUMN: name} for name in types]
        insert(ml.catalog, ml.ml_schema, ASSOCIATION, rows, skip_conflicts=True)
