"""What the tools ask a catalog about datasets: one row, a page, a count; never all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.kinds import stranger
from deriva_ml_kit.tools.paging import Row, part

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.mainline.dataset.elements import ElementType
    from deriva_ml_kit.mainline.dataset.periods import Versions
    from deriva_ml_kit.mainline.dataset.versions import DatasetVersion
    from deriva_ml_kit.tools.call import Call

FEW = 12


def dataset_row(call: Call, rid: str) -> Row:
    """The row of a dataset, be it marked as deleted or not.

    Raises:
        ToolError: There is none; says what the RID is instead, and which RIDs resemble it.
    """
    from deriva_ml_kit.mainline.catalog.lookup import rows_with  # noqa: PLC0415  (takes seconds)

    for row in rows_with(call.ml.catalog, call.ml.ml_schema, "Dataset", "RID", [rid]):
        return row
    remedy = f"{call.example('deriva_ml_list_datasets')} lists them."
    raise stranger(call, rid, "a dataset", resembling(call.ml, rid), remedy=remedy)


def living_row(call: Call, rid: str) -> Row:
    """The row of a dataset that can be changed.

    Raises:
        ToolError: There is none, or it is marked as deleted.
    """
    row = dataset_row(call, rid)
    if row["Deleted"]:
        raise ToolError(Code.CONFLICT, f"Dataset {rid} is marked as deleted.", remedy="Make or name another dataset.")
    return row


def links_of(kind: ElementType, dataset_rid: str) -> str:
    """Path of the links of a dataset with its members of a type; each member has one."""
    from deriva_ml_kit.mainline.catalog.rows import any_of  # noqa: PLC0415  (takes seconds)

    return f"{kind.links_path}/{any_of(kind.dataset_column, [dataset_rid])}"


def kind_names(kinds: Sequence[ElementType]) -> dict[ElementType, str]:
    """Names of element types: their tables', with the schema where two have the same."""
    often = Counter(kind.table.name for kind in kinds)
    return {
        kind: kind.table.name if often[kind.table.name] == 1 else f"{kind.table.schema.name}:{kind.table.name}"
        for kind in kinds
    }


def named_version(call: Call, found: Versions, version: str) -> DatasetVersion:
    """The version of a dataset that a text names.

    Raises:
        ToolError: It has no such version; names those there are.
        InvalidVersion: The text is none.
    """
    from deriva_ml_kit.mainline.dataset.versions import own  # noqa: PLC0415  (takes seconds)

    wanted = own(version)
    known = [str(entry.dataset_version) for entry in reversed(found.history())]
    if str(wanted) not in known:
        near = nearest(str(wanted), known) or known[:FEW]
        raise ToolError(
            Code.NOT_FOUND,
            f"Dataset {found.dataset_rid} has no version {wanted}.",
            remedy=f"{call.example('deriva_ml_get_dataset', dataset_rid=found.dataset_rid)} lists its versions.",
            candidates=near,
        )
    return wanted


def type_names(call: Call, given: Sequence[str]) -> list[str]:
    """Terms of Dataset_Type by name or synonym, each once.

    Raises:
        ToolError: Some are no terms; names all of them.
    """
    terms = call.ml.list_vocabulary_terms("Dataset_Type")
    name_of = {known: str(term.name) for term in terms for known in [*(term.synonyms or []), term.name]}
    if missing := [name for name in dict.fromkeys(given) if name not in name_of]:
        schema = call.ml.ml_schema
        add = call.example("add_term", schema=schema, table="Dataset_Type", name=missing[0], description="…")
        raise unknown("dataset type", missing, name_of, remedy=f"To add one: {add}")
    return list(dict.fromkeys(name_of[name] for name in given))


def unknown(what: str, names: Sequence[str], known: Iterable[str], *, remedy: str | None = None) -> ToolError:
    """There are no things of these names; the candidates are those that resemble any of them."""
    names, known = list(dict.fromkeys(names)), sorted(set(known))
    near = list(dict.fromkeys(near for name in names for near in nearest(name, known)))
    return ToolError(
        Code.NOT_FOUND,
        f"The catalog has no {what} {', '.join(map(repr, names))}.",
        remedy=remedy,
        candidates=near or (known if len(known) <= FEW else []),
    )


def resembling(ml: DerivaML, rid: str) -> list[str]:
    """RIDs of datasets that differ from one in a character, or in two that are swapped; all of them if they are few."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

    path = table_name(ml.ml_schema, "Dataset")
    replaced = [f"{rid[:place]}.?{rid[place + 1 :]}" for place in range(len(rid))]
    swapped = [f"{rid[:place]}{rid[place + 1]}{rid[place]}{rid[place + 2 :]}" for place in range(len(rid) - 1)]
    pattern = urlquote(f"^({'|'.join([*replaced, *swapped])})$", "")
    near, _ = part(ml.catalog, f"{path}/RID::regexp::{pattern}", 5, wanted=("RID",))
    rows, more = (near, False) if near else part(ml.catalog, path, FEW, wanted=("RID",))
    return [] if more else [row["RID"] for row in rows]
