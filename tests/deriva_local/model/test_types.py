"""Column types: names, documents, PostgreSQL types."""

from __future__ import annotations

from typing import Any

import pytest
from deriva.core.ermrest_model import builtin_types

from deriva_local.errors import BadRequest
from deriva_local.model import types


@pytest.mark.parametrize("name", sorted(builtin_types))
def test_every_type_that_deriva_knows_makes_the_round_trip(name: str) -> None:
    document = builtin_types[name].prejson()
    made = types.from_document(document)
    assert types.to_document(made) == document
    assert types.postgres(made)


@pytest.mark.parametrize(
    ("typename", "postgres"),
    [
        ("text", "text"),
        ("markdown", "text"),
        ("ermrest_rct", "timestamptz"),
        ("serial8", "bigint"),
        ("int4[]", "integer[]"),
        ("integer", "integer"),
        ("uuid", "uuid"),
    ],
)
def test_a_type_is_held_by_a_postgresql_type(typename: str, postgres: str) -> None:
    assert types.postgres(types.named(typename)) == postgres


def test_an_array_is_known_by_its_mark_as_well() -> None:
    made = types.from_document({"typename": "text", "is_array": True, "base_type": {"typename": "text"}})
    assert made == types.named("text[]")


@pytest.mark.parametrize(
    "document",
    ["text", None, {}, {"typename": 3}, {"typename": "tekst"}, {"typename": "text[][]"}, {"typename": "serial4[]"}],
)
def test_what_is_no_type_is_refused(document: Any) -> None:
    with pytest.raises(BadRequest):
        types.from_document(document)


def test_an_unknown_type_is_named_with_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"'tekst'.*text"):
        types.named("tekst")
