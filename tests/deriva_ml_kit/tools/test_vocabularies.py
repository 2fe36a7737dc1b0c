"""Vocabularies as tools: listed, paged by the server, made, added to."""

from __future__ import annotations

from typing import Any

import pytest
from deriva.core import DerivaServer, get_credential
from deriva.core.ermrest_model import Column, Key, Table, builtin_types


@pytest.fixture(scope="module")
def tables(own: Any) -> Any:
    """The tables of schema `lab`: Plain is none of terms; Old is spelt in capitals, Json as other servers make them."""
    server = DerivaServer("https", own.where["hostname"], credentials=get_credential(own.where["hostname"]))
    catalog = server.connect_ermrest(own.where["catalog_id"])
    lab = catalog.getCatalogModel().schemas["lab"]
    lab.create_table(Table.define("Plain", [Column.define("Note", builtin_types.text)]))
    for name, spelt, synonyms in (("Old", str.upper, "text[]"), ("Json", str, "json")):
        kinds = {"Name": "text", "Description": "markdown", "Synonyms": synonyms}
        columns = [Column.define(spelt(column), builtin_types[kind]) for column, kind in kinds.items()]
        made = {"ID": ("ermrest_curie", "lab:{RID}"), "URI": ("ermrest_uri", "/id/{RID}")}
        columns += [Column.define(column, builtin_types[kind], False, form) for column, (kind, form) in made.items()]
        lab.create_table(Table.define(name, columns, [Key.define([spelt("Name")])]))
        rows = [
            {spelt("Name"): term, spelt("Description"): term, spelt("Synonyms"): [f"{term}s"]}
            for term in ("b", "a", "c d", "C")
        ]
        catalog.getPathBuilder().schemas["lab"].tables[name].insert(rows)
    return catalog


def names(answer: dict[str, Any]) -> list[str]:
    return [term["Name"] for term in answer["terms"]]


def test_vocabularies_come_with_their_number_of_terms_the_project_s_own_first(ask):
    found = ask("list_vocabularies")["vocabularies"]

    assert found[0] == {"schema": "clinic", "table": "Grade", "terms": 2, "comment": "How bad it is"}
    assert {each["schema"] for each in found[1:]} == {"deriva-ml"}
    assert [each["table"] for each in ask("list_vocabularies", schema="clinic")["vocabularies"]] == ["Grade"]


def test_pages_of_vocabularies_follow_each_other(ask):
    whole = ask("list_vocabularies")["vocabularies"]

    found, cursor = [], None
    while cursor is not None or not found:
        page = ask("list_vocabularies", limit=4, cursor=cursor)
        assert page["total"] == len(whole)
        found += page["vocabularies"]
        cursor = page["next_cursor"]
    assert found == whole


def test_terms_of_a_vocabulary(ask, clinic):
    found = ask("list_vocabulary_terms", schema="clinic", table="Grade")

    low = clinic.ml.lookup_term("Grade", "low")
    assert names(found) == ["high", "low"]
    assert found["terms"][1] == {
        "RID": low.rid,
        "Name": "low",
        "Description": "low",
        "Synonyms": ["low grade", 'x, "y"'],
    }
    assert (found["schema"], found["table"], found["count"], found["total"]) == ("clinic", "Grade", 2, 2)
    assert ask("list_vocabulary_terms", table="Grade") == ask("list_vocabulary_terms", vocab_name="clinic:Grade")


@pytest.mark.parametrize("vocabulary", ["Old", "Json"])
def test_terms_are_sorted_paged_and_searched_however_the_columns_are_made(own, tables, vocabulary):
    found, cursor = [], None
    while cursor is not None or not found:
        page = own("list_vocabulary_terms", table=vocabulary, limit=1, cursor=cursor)
        assert (page["count"], page["total"]) == (1, 4)
        found += names(page)
        cursor = page["next_cursor"]

    assert found == names(own("list_vocabulary_terms", table=vocabulary))
    assert sorted(found) == ["C", "a", "b", "c d"]
    assert set(names(own("list_vocabulary_terms", table=vocabulary, containing="C"))) == {"C", "c d"}
    assert names(own("list_vocabulary_terms", table=vocabulary, containing="c D")) == ["c d"]
    assert names(own("list_vocabulary_terms", table=vocabulary, containing=".")) == []


def test_synonyms_are_searched_too(ask):
    assert names(ask("list_vocabulary_terms", table="Grade", containing="w GRADE")) == ["low"]


@pytest.mark.parametrize(
    ("arguments", "code", "candidates"),
    [
        ({"table": "Grad"}, "not_found", ["Grade"]),
        ({"table": "Grade", "schema": "clinc"}, "not_found", ["clinic"]),
        ({"table": "Grade", "schema": "deriva-ml"}, "not_found", ["clinic:Grade"]),
        ({"table": "Image"}, "bad_argument", ["clinic:Grade"]),
        ({"table": "Grade", "cursor": "1-ZZZZ"}, "bad_argument", []),
        ({"table": "Grade", "cursor": "no RID"}, "bad_argument", []),
    ],
)
def test_what_is_not_there_is_named_with_what_may_have_been_meant(refuse, arguments, code, candidates):
    error = refuse("list_vocabulary_terms", **arguments)

    assert error["code"] == code
    assert error.get("candidates", [])[:3] == candidates


def test_a_vocabulary_is_made_once_and_recorded(own, noted):
    planned = own("create_vocabulary", table="Stage", comment="How far", dry_run=True)
    made = own("create_vocabulary", table="Stage", comment="How far")
    again = own("create_vocabulary", schema="lab", vocabulary_name="Stage")

    assert (planned["created"], planned["execution_rid"]) == (True, None)
    assert made["created"]
    assert noted(made["execution_rid"]) == [{"schema": "lab", "table": "Stage", "made": "table"}]
    assert (again["created"], again["execution_rid"]) == (False, None)
    assert {"schema": "lab", "table": "Stage", "terms": 0, "comment": "How far"} in own("list_vocabularies")[
        "vocabularies"
    ]


def test_a_table_of_another_kind_is_not_taken_for_a_vocabulary(own, tables, refuse):
    assert refuse("create_vocabulary", **own.where, table="Plain")["code"] == "conflict"


def test_a_term_is_added_once_and_recorded(own, tables, noted):
    term = {"table": "Old", "name": "new", "description": "Not old", "synonyms": ["fresh", "new", "fresh"]}
    planned = own("add_term", **term, dry_run=True)
    made = own("add_term", **term)
    again = own("add_term", **term)

    assert (planned["created"], planned["term"], planned["execution_rid"]) == (True, None, None)
    assert made["created"]
    assert made["term"] == own("list_vocabulary_terms", table="Old", containing="new")["terms"][0]
    assert made["term"]["Synonyms"] == ["fresh"]
    assert {"schema": "lab", "table": "Old", "rids": [made["term"]["RID"]]} in noted(made["execution_rid"])
    assert (again["created"], again["term"], again["execution_rid"]) == (False, made["term"], None)
    assert again["notes"] == []


def test_a_term_that_is_there_is_shown_and_not_changed(own, tables):
    found = own("add_term", table="Old", name="a", description="Another", synonyms=["as", "anew"])

    assert (found["created"], found["term"]["Description"], found["term"]["Synonyms"]) == (False, "a", ["as"])
    assert found["notes"] == [
        "It does not have the synonyms 'anew'.",
        "Its description is another.",
        "This tool changes no term.",
    ]


@pytest.mark.parametrize("vocabulary", ["Old", "Json"])
@pytest.mark.parametrize(("name", "synonyms"), [("as", []), ("e", ["f", "as"]), ("e", ["a"]), ("b", ["as"])])
def test_no_two_terms_have_the_same_name_or_synonym(own, refuse, tables, vocabulary, *, name, synonyms):
    error = refuse("add_term", **own.where, table=vocabulary, name=name, description="x", synonyms=synonyms)

    assert (error["code"], error["candidates"]) == ("conflict", ["a"])
