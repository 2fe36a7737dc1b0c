"""A model and a request make the next model: pure functions, no database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg import sql

from deriva_local.ermrest.schema import alter, attach, create, definitions
from deriva_local.ermrest.schema.address import parse
from deriva_local.errors import BadRequest, Conflict, NotFound, ServiceError
from deriva_local.model import SYSTEM_COLUMNS, Model, stored
from deriva_local.store import ddl

from .models import altered, column, made, reference, sample, table


def test_a_new_table_has_the_system_columns_first_and_the_key_of_rid() -> None:
    image = sample().table("S", "Image")
    assert [item.name for item in image.columns] == [*SYSTEM_COLUMNS, "File", "Subject"]
    assert [(key.name, key.columns) for key in image.keys] == [(("S", "Image_RIDkey1"), (1,))]


def test_system_columns_in_a_document_keep_their_annotations_and_place_but_not_their_definition() -> None:
    document = table("T", column("A"), column("RID", "int4", nullok=True, annotations={"tag": 1}))
    columns = made(document).table("S", "T").columns
    assert [item.name for item in columns] == ["RCT", "RMT", "RCB", "RMB", "A", "RID"]
    assert (columns[-1].id, columns[-1].type.typename, columns[-1].nullok) == (1, "ermrest_rid", False)
    assert columns[-1].annotations == {"tag": 1}


def test_constraints_without_a_name_get_the_usual_one() -> None:
    model = sample()
    assert [key.name[1] for key in model.table("S", "Subject").keys] == ["Subject_RIDkey1", "Subject_Name_key"]
    assert model.table("S", "Image").foreign_keys[0].name == ("S", "Image_Subject_fkey")


def test_a_constraint_takes_the_name_given_and_the_schema_of_its_table() -> None:
    model = made(table("T", column("A"), keys=[{"names": [["placeholder", "mine"]], "unique_columns": ["A"]}]))
    assert model.table("S", "T").keys[-1].name == ("S", "mine")


def test_tables_of_one_request_may_refer_to_each_other_in_any_order() -> None:
    model = made(
        table("A", column("B"), foreign_keys=[reference(["B"], "B", ["RID"])]),
        table("B", column("A"), foreign_keys=[reference(["A"], "A", ["RID"])]),
    )
    assert model.table("S", "A").foreign_keys[0].to_table == model.table("S", "B").id
    assert model.table("S", "B").foreign_keys[0].to_table == model.table("S", "A").id


def test_a_schema_document_brings_its_tables_along() -> None:
    wanted = definitions.batch({"schemas": {"S": {"tables": {"T": {"column_definitions": [column("A")]}}}}})
    assert "T" in create.batch(Model(), wanted, None).schemas["S"].tables


def test_ids_are_never_used_twice() -> None:
    model = sample()
    ids = [table.id for table in model.tables_by_id.values()]
    for item in model.tables_by_id.values():
        ids += [c.id for c in item.columns if not c.is_system]
        ids += [c.id for c in item.keys] + [c.id for c in item.foreign_keys]
    assert len(ids) == len(set(ids))
    assert max(ids) < model.next_id
    shrunk = alter.drop_table(model, parse("schema/S/table/Image"))
    assert shrunk.next_id == model.next_id


def test_a_foreign_key_has_open_acls_unless_told_otherwise() -> None:
    document = reference(["A"], "Subject", ["Name"], acls={"insert": ["x"]})
    model = create.batch(sample(), definitions.batch([table("T", column("A"), foreign_keys=[document])]), None)
    assert model.table("S", "T").foreign_keys[0].acls == {"insert": ["x"], "update": ["*"]}


REFUSED: list[tuple[dict[str, Any], type[ServiceError], str]] = [
    (table("Subject"), Conflict, "exists already"),
    (table("T", column("A"), column("A")), Conflict, "column 'A' already"),
    (table("T", column("A"), keys=[{"unique_columns": ["B"]}]), BadRequest, "no column 'B'"),
    (
        table("T", column("A"), keys=[{"unique_columns": ["A"]}, {"unique_columns": ["A"]}]),
        Conflict,
        "key of A already",
    ),
    (table("T", column("A"), keys=[{"unique_columns": []}]), BadRequest, "at least one column"),
    (table("T", column("A"), foreign_keys=[reference(["A"], "Subject", ["Age"])]), Conflict, "no key of Age"),
    (table("T", column("A"), foreign_keys=[reference(["A"], "None", ["RID"])]), NotFound, "'None'"),
    (table("T", column("A"), foreign_keys=[reference(["A"], "Subject", ["RID", "Name"])]), BadRequest, "refers to 2"),
    (table("T", column("A", "tekst")), BadRequest, "'tekst'"),
    (table("T", {"name": "A"}), BadRequest, "'A' has no type"),
    (table("T", column("A", nullok="no")), BadRequest, "nullok"),
    (table("T", column("A", "serial4", default=3)), BadRequest, "numbers its rows"),
    (table("T", kind="view"), BadRequest, "'view'"),
    (table("T", foreign_keys=[reference(["A"], "Subject", ["Name"], on_delete="EXPLODE")]), BadRequest, "'EXPLODE'"),
    (table("T" * 64), BadRequest, "63 bytes"),
    (table("T", column("ü" * 32)), BadRequest, "63 bytes"),
    (table("T", acls=[]), BadRequest, "acls"),
    (table("T", annotations=False), BadRequest, "annotations"),
    ({"schema_name": "S"}, Conflict, "exists already"),
    ({"table_name": "T"}, BadRequest, "schema_name"),
    ({}, BadRequest, "schema_name"),
]


@pytest.mark.parametrize(("document", "error", "text"), REFUSED)
def test_a_definition_that_cannot_be_is_refused_and_named(
    document: dict[str, Any], error: type[ServiceError], text: str
) -> None:
    with pytest.raises(error) as raised:
        create.batch(sample(), definitions.batch([document]), None)
    assert text in raised.value.message


def test_a_renamed_schema_takes_its_tables_and_constraints_along() -> None:
    model = altered(sample(), "schema/S", schema_name="Z")
    image = model.table("Z", "Image")
    assert "S" not in model.schemas
    assert {key.name[0] for key in image.keys} == {image.foreign_keys[0].name[0]} == {"Z"}


def test_a_table_moves_to_another_schema_with_its_references() -> None:
    model = create.schema(sample(), definitions.schema({}, "Z"))
    model = altered(model, "schema/S/table/Subject", schema_name="Z", table_name="Person")
    assert model.table("Z", "Person").id == model.table("S", "Image").foreign_keys[0].to_table


def test_renames_need_no_sql() -> None:
    old = sample()
    new = altered(
        altered(old, "schema/S/table/Image", table_name="Picture"), "schema/S/table/Picture/column/File", name="F"
    )
    assert ddl.changes(old, new) == []


def test_an_alteration_leaves_alone_what_it_does_not_name() -> None:
    old = altered(sample(), "schema/S/table/Image", comment="c", annotations={"a": 1}, acls={"select": ["*"]})
    new = altered(old, "schema/S/table/Image", comment=None)
    image = new.table("S", "Image")
    assert (image.comment, image.annotations, image.acls) == (None, {"a": 1}, {"select": ["*"]})


def test_a_type_of_the_same_representation_changes_in_place() -> None:
    old = sample()
    new = altered(old, "schema/S/table/Image/column/File", type={"typename": "markdown"})
    assert new.table("S", "Image").column("File").id == old.table("S", "Image").column("File").id


def test_a_changed_type_rebuilds_the_keys_and_references_on_it() -> None:
    old = sample()
    new = altered(old, "schema/S/table/Subject/column/Name", type={"typename": "jsonb"})
    before, after = old.table("S", "Subject"), new.table("S", "Subject")
    name = after.column("Name")
    assert name.cast_from == before.column("Name").id != name.id
    assert after.keys[1].columns == (name.id,)
    assert new.table("S", "Image").foreign_keys[0].to_columns == (name.id,)
    assert {after.keys[1].id, new.table("S", "Image").foreign_keys[0].id}.isdisjoint({before.keys[1].id})
    assert after.keys[0] == before.keys[0]


@pytest.mark.parametrize(
    "document", [{"name": "X"}, {"type": {"typename": "int4"}}, {"nullok": True}, {"default": "x"}]
)
def test_system_columns_cannot_be_redefined(document: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="system column"):
        altered(sample(), "schema/S/table/Image/column/RID", **document)


def test_dropping_a_column_takes_its_keys_and_references_along() -> None:
    model = alter.drop_column(sample(), parse("schema/S/table/Image/column/Subject"))
    assert model.table("S", "Image").foreign_keys == ()


@pytest.mark.parametrize(
    ("drop", "path"),
    [
        (alter.drop_table, "schema/S/table/Subject"),
        (alter.drop_column, "schema/S/table/Subject/column/Name"),
        (alter.drop_key, "schema/S/table/Subject/key/Name"),
        (alter.drop_schema, "schema/S"),
    ],
)
def test_what_others_rest_on_cannot_be_dropped(drop: Any, path: str) -> None:
    with pytest.raises(Conflict, match="Image"):
        drop(sample(), parse(path))


def test_foreign_keys_are_dropped_by_any_form_of_their_address() -> None:
    for path in (
        "",
        "/Subject",
        "/Subject/reference",
        "/Subject/reference/S:Subject",
        "/Subject/reference/Subject/Name",
    ):
        model = alter.drop_foreign_keys(sample(), parse(f"schema/S/table/Image/foreignkey{path}"))
        assert model.table("S", "Image").foreign_keys == ()


def test_a_changed_action_is_the_same_foreign_key() -> None:
    path = "schema/S/table/Image/foreignkey/Subject/reference/S:Subject/Name"
    old = sample()
    new = altered(old, path, on_delete="CASCADE", names=[["S", "renamed"]])
    fkey = new.table("S", "Image").foreign_keys[0]
    assert (fkey.name, fkey.on_delete, fkey.id) == (
        ("S", "renamed"),
        "CASCADE",
        old.table("S", "Image").foreign_keys[0].id,
    )
    statements = [statement.as_string(None) for statement in ddl.changes(old, new)]
    assert [statement.split()[3] for statement in statements[:2]] == ["DROP", "ADD"]


def test_no_change_drops_data() -> None:
    emptied = alter.drop_table(sample(), parse("schema/S/table/Image"))
    emptied = alter.drop_table(emptied, parse("schema/S/table/Subject"))
    text = "\n".join(statement.as_string(None) for statement in ddl.changes(sample(), emptied))
    assert "DROP TABLE" not in text
    assert "DROP COLUMN" not in text


def test_names_of_clients_never_reach_sql() -> None:
    evil = 'x"; DROP TABLE y; --'
    old = sample()
    document = table(evil, column(evil), keys=[{"unique_columns": [evil], "names": [["S", evil]]}])
    new = create.batch(old, definitions.batch([document]), None)
    assert not any("DROP TABLE" in statement.as_string(None) for statement in ddl.changes(old, new))


def test_a_default_is_quoted() -> None:
    document = table("T", column("A", default="x'; DROP TABLE y; --"))
    statements = ddl.changes(sample(), create.batch(sample(), definitions.batch([document]), None))
    assert any("'x''; DROP TABLE y; --'" in statement.as_string(None) for statement in statements)
    assert all(isinstance(statement, sql.Composable) for statement in statements)


@pytest.mark.parametrize(
    "path",
    ["", "schema/S/", "schema/S/table/Image/", "schema/S/table/Image/column/File/",
     "schema/S/table/Subject/key/Name/", "schema/S/table/Image/foreignkey/Subject/reference/S:Subject/Name/"],
)  # fmt: skip
def test_annotations_of_every_element_are_set_read_and_removed(path: str) -> None:
    one = parse(f"{path}annotation/tag%3Ax")
    model = attach.write(sample(), one, {"deep": [1]})
    assert attach.read(model, one) == {"deep": [1]}
    model = attach.write(model, parse(f"{path}annotation"), {"b": None})
    assert attach.read(model, parse(f"{path}annotation")) == {"b": None}
    model = attach.remove(model, parse(f"{path}annotation"))
    assert attach.read(model, parse(f"{path}annotation")) == {}
    with pytest.raises(NotFound):
        attach.read(model, one)


def test_the_acls_of_a_catalog_are_always_all_there() -> None:
    model = attach.write(sample(), parse("acl"), {"owner": ["me"], "select": ["*"]})
    assert model.acls["select"] == ["*"]
    assert model.acls["insert"] == []
    assert attach.remove(model, parse("acl/select")).acls["select"] == []


@pytest.mark.parametrize(
    "path", ["acl", "schema/S/acl", "schema/S/table/Image/acl", "schema/S/table/Image/column/File/acl"]
)
@pytest.mark.parametrize("acls", [{"write": ["*"]}, {"insert": ["*"]}, {"steal": ["me"]}])
def test_acls_that_open_changes_to_everybody_or_do_not_exist_are_refused(path: str, acls: dict[str, Any]) -> None:
    with pytest.raises(Conflict if "steal" in acls else BadRequest):
        attach.write(sample(), parse(path), acls)


def test_an_acl_that_is_set_to_null_is_taken_away() -> None:
    path = parse("schema/S/acl/select")
    model = attach.write(sample(), path, ["*"])
    assert attach.write(model, path, None).schemas["S"].acls == {}


def test_a_model_is_stored_and_read_back_whole() -> None:
    model = altered(
        sample(), "schema/S/table/Image", comment="c", annotations={"a": {"b": [1]}}, acls={"select": ["*"]}
    )
    model = altered(
        model, "schema/S/table/Subject/column/Age", type={"typename": "text[]"}, default=["x"], nullok=False
    )
    assert stored.from_json(json.loads(json.dumps(stored.to_json(model)))) == model
