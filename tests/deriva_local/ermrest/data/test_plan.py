"""Data resources resolved against a model, without a database."""

from __future__ import annotations

import pytest

from deriva_local.ermrest.data import sql
from deriva_local.ermrest.data.options import parse_options
from deriva_local.ermrest.data.plan import one_row_per_entity, plan
from deriva_local.ermrest.data.request import parse
from deriva_local.ermrest.data.resolved import Join
from deriva_local.errors import BadRequest, Conflict


@pytest.fixture
def query(model):
    def resolve(address):
        path, _, options = address.partition("?")
        return plan(parse(path), parse_options(options), model)

    return resolve


@pytest.fixture
def statement(query, model):
    """The SELECT for an address, as text."""
    relation = sql.sql.Identifier

    def compose(address):
        return sql.select(query(address), lambda table: relation("data", table.physical)).query.as_string(None)

    return compose


def links(query):
    """For each join, its alternatives as `left=right` with the names of columns."""
    return [
        [[f"{left.column.name}={right.column.name}" for left, right in link] for link in step.links]
        for step in query.path.steps
        if isinstance(step, Join)
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("S:Image/S:Subject", [[["Subject=RID"]]]),
        ("Subject/Image", [[["RID=Subject"]]]),
        ("Subject/Pair", [[["Name=First"], ["Name=Second"]]]),
        ("S:Image/(Subject)", [[["Subject=RID"]]]),
        ("S:Subject/(S:Pair:Second)", [[["Name=Second"]]]),
        ("I:=S:Image/S:Subject/S:Species/(I:Subject)", [[["Subject=RID"]], [["Species=Name"]], [["Subject=RID"]]]),
        ("S:Image/(Filename,Size)=(S:Subject:Name,Age)", [[["Filename=Name", "Size=Age"]]]),
        ("A:=S:Image/S:Subject/left(A:Filename)=(Subject:Name)", [[["Subject=RID"]], [["Filename=Name"]]]),
    ],
)
def test_tables_are_linked_by_foreign_keys_in_either_direction_or_by_columns(query, path, expected):
    assert links(query(f"entity/{path}")) == expected


@pytest.mark.parametrize(
    "path",
    [
        "S:Nope",
        "Nope:Subject",
        "S:Image/S:Species",
        "S:Subject/(Name)",
        "S:Image/(Filename)",
        "S:Image/(S:Species:Name)",
        "S:Image/Nope=1",
        "S:Image/(Nope)=(S:Subject:RID)",
    ],
)
def test_what_the_model_does_not_have_is_a_conflict(query, path):
    with pytest.raises(Conflict):
        query(f"entity/{path}")


@pytest.mark.parametrize(
    "address",
    [
        "entity/A:=S:Image/A:=S:Subject",
        "entity/S:Image/$B",
        "entity/S:Image/B:Size=1",
        "entity/S:Image/*=x",
        "entity/S:Image/(Subject)=(RID)",
        "entity/S:Image/(Subject,Size)=(S:Subject:RID)",
        "entity/S:Image/(Subject,Size)=(S:Subject:RID,S:Image:Size)",
        "attribute/S:Image/n:=cnt(*)",
        "attribute/S:Image/Size,Size",
        "attribute/S:Image/x:=*",
        "attribute/S:Image/b:=bin(Filename;2;0;4)",
        "attribute/S:Image/b:=bin(Size;0;0;4)",
        "attribute/S:Image/" + "n" * 64 + ":=Size",
        "attributegroup/S:Image/n:=cnt(*);Size",
        "aggregate/S:Image/cnt(*)",
        "aggregate/S:Image/n:=sum(*)",
        "aggregate/S:Image/n:=sum(Filename)",
        "aggregate/S:Image/n:=max(Info)",
        "attribute/S:Image/trs(Size)",
        "entity/S:Image@sort(Nope)",
        "entity/S:Image@after(1)",
        "entity/S:Image@sort(RID)@after(1,2)",
        "entity/S:Image@sort(RID)@before(1)",
        "aggregate/S:Image/n:=cnt(*)@sort(n)@after(1)",
    ],
)
def test_what_no_model_could_answer_is_a_bad_request(query, address):
    with pytest.raises(BadRequest):
        query(address)


@pytest.mark.parametrize(
    ("path", "single"),
    [
        ("S:Image", True),
        ("S:Image/S:Subject", False),
        ("I:=S:Image/S:Subject/$I", True),
        ("I:=S:Image/S:Subject/S:Species/$I", True),
        ("S:Subject/S:Image", True),
        ("I:=S:Image/left(Subject)=(S:Subject:RID)/$I", True),
        ("S:Subject/left(RID)=(S:Image:Subject)", False),
        ("I:=S:Image/left(Filename)=(S:Subject:Age)/$I", False),
        ("S:Subject/S:Pair", False),
        ("I:=S:Image/right(Subject)=(S:Subject:RID)/$I", False),
    ],
)
def test_rows_are_made_distinct_only_where_joins_can_repeat_them(query, path, single):
    assert one_row_per_entity(query(f"entity/{path}").path) is single


def test_wildcards_are_named_by_column_or_by_alias_and_column(query):
    found = query("attribute/I:=S:Image/S:Subject/Name,I:*")

    names = [output.name for output in found.outputs]
    assert names[:3] == ["Name", "I:RID", "I:RCT"]
    assert "I:Filename" in names


@pytest.mark.parametrize("value", ["x'; DROP TABLE t1; --", "\\", "%s", "{}", '"', "'", "a\nb"])
def test_values_stand_in_sql_as_quoted_literals_only(statement, value):
    value = f"zz{value}"
    quoted = sql.sql.Literal(value).as_string(None)
    encoded = "".join(f"%{byte:02X}" for byte in value.encode())

    for condition in (f"Filename={encoded}", f"*::ciregexp::{encoded}", f"Labels={encoded}"):
        assert quoted in statement(f"entity/S:Image/{condition}")
        assert "zz" not in statement(f"entity/S:Image/{condition}").replace(quoted, "")


def test_tables_and_columns_stand_in_sql_by_their_ids(statement, model):
    table = model.table("S", "Image")

    found = statement("attribute/A:=S:Image/Filename=x/o:=Size")

    assert f'"data"."{table.physical}" AS "t0"' in found
    assert f'"t0"."{table.column("Filename").physical}" = \'x\'' in found
    assert "Filename" not in found


def test_a_page_of_a_column_without_nulls_can_use_its_index(statement):
    assert "IS NULL" not in statement("entity/S:Image@sort(RID)@after(1-0000)?limit=10")
    assert "IS NULL" in statement("entity/S:Image@sort(Size)@after(5)?limit=10")
