"""Which rows of a table are asked for: a column's value, one of several, or a comparison.

     {"Sex": "F"}  {"Sex": ["F", null]}  {"Age": {"op": ">=", "value": 40}}  {"Name": {"op": "contains", "value": "A"}}

Conditions on several columns must all hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import Fault, Faults
from deriva_ml_kit.nearest import suggestion

if TYPE_CHECKING:
    from deriva.core.ermrest_model import Table

OPERATORS = {"=": "=", "<": "::lt::", "<=": "::leq::", ">": "::gt::", ">=": "::geq::"}
SYSTEM_TYPES = {"ermrest_rct": "timestamptz", "ermrest_rmt": "timestamptz"}
NAMES = (*OPERATORS, "!=", "in", "contains")
LONGEST = 6_000  # characters of a request's path: servers stop at 8 KB


def condition(table: Table, filters: Mapping[str, Any]) -> str:
    """The filters as a part of a request path, which begins with a slash; empty if there are none.

    Raises:
        Faults: Columns that the table does not have, unknown operators, values that the columns cannot have.
    """
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    parts: list[str] = []
    faults: list[Fault] = []
    known = {column.name: column for column in table.columns}
    for name, wanted in filters.items():
        if name not in known:
            faults.append(Fault(f"{table.name} has no such column; {suggestion(name, known)}", column=name))
            continue
        literal = _literals(known[name].type.typename, urlquote)
        try:
            parts.append(_one(urlquote(name, ""), wanted, literal))
        except ValueError as error:
            faults.append(Fault(str(error), column=name))
    path = f"/{'&'.join(parts)}" if parts else ""
    if len(path) > LONGEST:
        faults.append(Fault(f"the filters are too long: {len(path)} characters, of at most {LONGEST}"))
    if faults:
        raise Faults(faults, message="The filters cannot be used.", remedy="get_table describes the table's columns.")
    return path


Literal = Callable[[Any], str]


def _one(column: str, wanted: Any, literal: Literal) -> str:
    if not isinstance(wanted, Mapping):
        return _any_of(column, wanted, literal) if isinstance(wanted, list) else _is(column, wanted, literal)
    if set(wanted) != {"op", "value"} or not isinstance(wanted["op"], str):
        raise ValueError(f'{dict(wanted)!r} is no condition; write {{"op": ">=", "value": 5}}')
    operator, value = wanted["op"], wanted["value"]
    if operator == "in" and isinstance(value, list):
        return _any_of(column, value, literal)
    if operator == "!=":
        # A value that is not there is not that value either, which a database sees otherwise.
        return (
            f"!({_is(column, value, literal)})"
            if value is None
            else f"(!{_is(column, value, literal)};{column}::null::)"
        )
    if operator == "=":
        return _is(column, value, literal)
    if operator == "contains" and isinstance(value, str):
        from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

        return f"{column}::ciregexp::{urlquote(re.escape(value), '')}"
    if operator in OPERATORS and value is not None:
        return f"{column}{OPERATORS[operator]}{literal(value)}"
    if operator in NAMES:
        raise ValueError(f"{value!r} is nothing that {operator!r} takes")
    raise ValueError(f"{operator!r} is no operator; there are {', '.join(NAMES)}")


def _is(column: str, value: Any, literal: Literal) -> str:
    return f"{column}::null::" if value is None else f"{column}={literal(value)}"


def _any_of(column: str, values: list[Any], literal: Literal) -> str:
    if not values:
        raise ValueError("no value is given")
    given = [literal(value) for value in values if value is not None]
    alternatives = [f"{column}=any({','.join(given)})"] if given else []
    if None in values:
        alternatives.append(f"{column}::null::")
    return f"({';'.join(alternatives)})" if len(alternatives) > 1 else alternatives[0]


def _literals(typename: str, quote: Callable[[str, str], str]) -> Literal:
    """What turns a value into text as it stands in a path, or says why a column of this type cannot have it."""
    from deriva_ml_kit.features.schema import Column, Kind, kind_of, parse  # noqa: PLC0415  (takes seconds)

    kind, bits = kind_of(SYSTEM_TYPES.get(typename, typename))

    def literal(value: Any) -> str:
        if isinstance(value, dict | list) or kind is Kind.JSON or typename.endswith("[]"):
            raise ValueError(f"{value!r} cannot be compared with a column of type {typename}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return quote(str(parse(Column("", kind, bits=bits), text)), "")

    return literal
