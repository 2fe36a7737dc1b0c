"""URL paths of model resources."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_local.ermrest.schema.address import PARTS, Address, parse
from deriva_local.errors import BadRequest, NotFound

NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name.isprintable())


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("schema", Address("schemas")),
        ("schema/", Address("schemas")),
        ("schema/S", Address("schema", "S")),
        ("schema/S/table", Address("tables", "S")),
        ("schema/S/table/T", Address("table", "S", "T")),
        ("schema/S/table/T/column", Address("columns", "S", "T")),
        ("schema/S/table/T/column/C", Address("column", "S", "T", ("C",))),
        ("schema/S/table/T/key/A,B", Address("key", "S", "T", ("A", "B"))),
        ("schema/S/table/T/foreignkey", Address("foreignkeys", "S", "T")),
        ("schema/S/table/T/foreignkey/A", Address("foreignkeys", "S", "T", ("A",))),
        ("schema/S/table/T/foreignkey/A/reference/", Address("foreignkeys", "S", "T", ("A",))),
        (
            "schema/S/table/T/foreignkey/A/reference/S2:U/B",
            Address("foreignkeys", "S", "T", ("A",), ("S2", "U"), ("B",)),
        ),
        ("annotation", Address("catalog", part="annotation")),
        ("acl/owner", Address("catalog", part="acl", part_name="owner")),
        ("schema/S/comment", Address("schema", "S", part="comment")),
        ("schema/S/table/T/annotation/tag%3Aa%2Fb", Address("table", "S", "T", part="annotation", part_name="tag:a/b")),
        (
            "schema/S/table/T/column/C/acl_binding/b",
            Address("column", "S", "T", ("C",), part="acl_binding", part_name="b"),
        ),
        ("schema/S/table/T/key/A/annotation/x", Address("key", "S", "T", ("A",), part="annotation", part_name="x")),
    ],
)
def test_each_resource_has_its_address(path: str, address: Address) -> None:
    assert parse(path) == address


@pytest.mark.parametrize("part", PARTS)
def test_elements_may_be_named_like_their_parts(part: str) -> None:
    assert parse(f"schema/{part}") == Address("schema", part)
    assert parse(f"schema/{part}/table/{part}/column/{part}") == Address("column", part, part, (part,))


@given(NAMES, NAMES, st.lists(NAMES, min_size=1, max_size=3))
def test_names_of_any_characters_survive(schema: str, table: str, columns: list[str]) -> None:
    quoted = [quote(name, safe="") for name in (schema, table, *columns)]
    path = f"schema/{quoted[0]}/table/{quoted[1]}/key/{','.join(quoted[2:])}"
    assert parse(path) == Address("key", schema, table, tuple(columns))


@pytest.mark.parametrize(
    "path", ["schema/S/tables", "schema/S/table/T/column/C/x", "schema/S/table/T/foreignkey/A/to/B"]
)
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        parse(path)


def test_a_table_name_has_at_most_one_colon() -> None:
    with pytest.raises(BadRequest):
        parse("schema/S/table/T/foreignkey/A/reference/a:b:c")
