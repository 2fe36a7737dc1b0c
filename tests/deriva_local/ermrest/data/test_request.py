"""The language of data paths: what is read out of it, and that nothing else than a tree or BadRequest comes out."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_local.ermrest.data.options import parse_options
from deriva_local.ermrest.data.request import parse
from deriva_local.ermrest.data.syntax import (
    Bin,
    Call,
    ColumnLink,
    ColumnRef,
    Comparison,
    EndpointLink,
    Filter,
    IsNull,
    Item,
    Junction,
    Negation,
    Options,
    Reset,
    SortKey,
    TableLink,
    TableRef,
    Wildcard,
)
from deriva_local.errors import BadRequest

# Everything that a name can hold: any character but the zero byte and lone surrogates.
NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


def column(*names: str) -> ColumnRef:
    return ColumnRef(names)


def equals(name: str, value: str) -> Comparison:
    return Comparison(column(name), "=", (value,))


def q(name: str) -> str:
    return quote(name, safe="")


@given(schema=NAMES, table=NAMES, alias=NAMES, name=NAMES, value=NAMES)
@settings(max_examples=60)
def test_names_and_values_come_back_whatever_characters_they_hold(schema, table, alias, name, value):
    path = f"attribute/{q(alias)}:={q(schema)}:{q(table)}/{q(name)}={q(value)}/{q(value)}:={q(alias)}:{q(name)}"

    found = parse(f"{path}@sort({q(value)})@after({q(value)})")

    assert found.path == (TableLink(TableRef(schema, table), alias), Filter(equals(name, value)))
    assert found.items == (Item(column(alias, name), value),)
    assert found.sort == (SortKey(value),)
    assert found.after == (value,)


@given(st.text(max_size=60))
@settings(max_examples=150)
def test_any_text_gives_a_tree_or_a_bad_request(text):
    for junk in (text, f"entity/T/{text}", f"attributegroup/T/{text}"):
        with contextlib.suppress(BadRequest):
            parse(junk)


PIECES = st.sampled_from(
    [
        "entity",
        "attribute",
        "/",
        ":",
        ":=",
        "::null::",
        "::gt::",
        "=",
        "(",
        ")",
        "&",
        ";",
        "!",
        "*",
        ",",
        "$",
        "@",
        "a",
        "any",
        "left",
        "sort",
        "after",
        "bin",
        "cnt",
        "%2F",
        "%",
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join))
@settings(max_examples=200)
def test_any_row_of_the_languages_own_pieces_gives_a_tree_or_a_bad_request(text):
    for junk in (text, f"entity/A:=T/{text}", f"attribute/T/x,{text}"):
        with contextlib.suppress(BadRequest):
            parse(junk)


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("T", TableLink(TableRef(None, "T"))),
        ("S:T", TableLink(TableRef("S", "T"))),
        ("B:=S:T", TableLink(TableRef("S", "T"), "B")),
        ("$A", Reset("A")),
        ("(a)", EndpointLink((column("a"),))),
        ("B:=(S:T:a,b)", EndpointLink((column("S", "T", "a"), column("b")), "B")),
        ("(a)=(S:T:b)", ColumnLink((column("a"),), (column("S", "T", "b"),))),
        ("left(A:a,b)=(T:c,d)", ColumnLink((column("A", "a"), column("b")), (column("T", "c"), column("d")), "left")),
        ("B:=full(a)=(T:c)", ColumnLink((column("a"),), (column("T", "c"),), "full", "B")),
        ("left=5", Filter(equals("left", "5"))),
        ("(a=1)", Filter(equals("a", "1"))),
        ("a=", Filter(equals("a", ""))),
        ("a::null::", Filter(IsNull(column("a")))),
        ("!a::null::", Filter(Negation(IsNull(column("a"))))),
        ("A:a::geq::-1.5e3", Filter(Comparison(column("A", "a"), "::geq::", ("-1.5e3",)))),
        ("a=any", Filter(equals("a", "any"))),
        ("a=any(x,,y%2Cz)", Filter(Comparison(column("a"), "=", ("x", "", "y,z"), "any"))),
        ("a::regexp::all(x)", Filter(Comparison(column("a"), "::regexp::", ("x",), "all"))),
        ("*::ciregexp::x", Filter(Comparison(Wildcard(), "::ciregexp::", ("x",)))),
        ("A:*::ts::x", Filter(Comparison(Wildcard("A"), "::ts::", ("x",)))),
    ],
)
def test_elements_of_a_path(element, expected):
    assert parse(f"entity/A:=T/{element}").path[1:] == (expected,)


def test_negation_binds_closer_than_and_and_and_closer_than_or():
    (found,) = parse("entity/T/a=1;b=2&!c=3&!(d=4;e=5)").path[1:]

    last = Negation(Junction("or", (equals("d", "4"), equals("e", "5"))))
    both = Junction("and", (equals("b", "2"), Negation(equals("c", "3")), last))
    assert found == Filter(Junction("or", (equals("a", "1"), both)))


def test_projections_of_groups():
    found = parse("attributegroup/A:=T/a,y:=A:b,bin(c;10;0;99.5);n:=cnt(*),r:=array_d(A:*),A:*,*")

    assert found.keys == (
        Item(column("a")),
        Item(column("A", "b"), "y"),
        Item(Bin(column("c"), "10", "0", "99.5")),
    )
    assert found.items == (
        Item(Call("cnt", Wildcard()), "n"),
        Item(Call("array_d", Wildcard("A")), "r"),
        Item(Wildcard("A")),
        Item(Wildcard()),
    )


def test_order_and_page_keys():
    found = parse("entity/T/a=1@sort(a,b%3Ac::desc::)@after(,::null::)@before(x,y)")

    assert found.sort == (SortKey("a"), SortKey("b:c", descending=True))
    assert found.after == ("", None)
    assert found.before == ("x", "y")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "entity",
        "entity/",
        "entity//T",
        "entity/T/",
        "entities/T",
        "entity/T/id,name",
        "attribute/T",
        "attribute/T/id;name",
        "attributegroup/T/id=4",
        "aggregate/T",
        "entity/T/a=any(x",
        "entity/T/a=some(x)",
        "entity/T/a::like::x",
        "entity/T/(a=1",
        "entity/T/*::null::",
        "entity/T@sort()",
        "entity/T@sort(a)@sort(b)",
        "entity/T@limit(a)",
        "entity/T@sort(a)/U",
        "entity/T/a=%00",
        "entity/T/a=%ff",
        "entity/T/a=%2",
        "entity/a b",
        "entity/T/" + "(" * 5000 + "a=1" + ")" * 5000,
        "entity/T/" + "!" * 5000 + "a=1",
    ],
)
def test_what_cannot_be_read_is_a_bad_request(path):
    with pytest.raises(BadRequest):
        parse(path)


def test_an_error_tells_the_place_and_what_was_expected():
    with pytest.raises(BadRequest, match=r"Expected an operator such as = or ::gt:: at position 10 .*, found ','"):
        parse("entity/T/a,b")


def test_options_of_the_query_string():
    found = parse_options("defaults=RID,a%2Cb&nondefaults=RCT&onconflict=skip&limit=5&accept=text%2Fcsv&arrays=json")

    assert found == Options(5, "text/csv", None, ("RID", "a,b"), ("RCT",), "skip", json_arrays=True)


def test_limit_none_is_no_limit_and_unknown_parameters_mean_nothing():
    assert parse_options("limit=none&cid=chaise") == Options()


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=%C2%B2", "onconflict=maybe", "download=", "accept=%ff"]
)
def test_options_without_a_meaning_are_bad_requests(query):
    with pytest.raises(BadRequest):
        parse_options(query)
