"""POST, PUT and DELETE against the real PostgreSQL."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from deriva_local.ermrest.data import DataCall, handle
from deriva_local.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    Unauthorized,
    UnsupportedMediaType,
)

SYSTEM = {"RID", "RCT", "RMT", "RCB", "RMB"}


def own(rows):
    """Rows without the system columns."""
    return [{name: value for name, value in row.items() if name not in SYSTEM} for row in rows]


def moment(api):
    with api.catalog.reading() as reading:
        return reading.snaptime


# Create


def test_created_rows_come_back_in_order_with_what_the_service_filled_in(api):
    rows = [{"Name": f"n{n}", "Age": n} for n in range(50)]

    made = api.post("entity/S:Subject", rows)

    assert [row["Name"] for row in made] == [row["Name"] for row in rows]
    assert len({row["RID"] for row in made}) == 50
    assert {row["RCB"] for row in made} == {"me"} == {row["RMB"] for row in made}
    assert {row["RCT"] for row in made} == {row["RMT"] for row in made}
    assert api.get("entity/S:Subject@sort(RID)") == made


def test_given_system_columns_are_ignored_unless_they_are_called_nondefaults(api):
    given = {"RID": "XXXX", "RCT": "2001-01-01T00:00:00+00:00", "RCB": "someone", "RMB": "someone", "Name": "a"}

    (ignored,) = api.post("entity/S:Subject", [given])
    (taken,) = api.post("entity/S:Subject?nondefaults=RID,RCT,RCB", [{**given, "Name": "b"}])

    assert ignored["RID"] != "XXXX"
    assert ignored["RCB"] == "me"
    assert {name: taken[name] for name in ("RID", "RCT", "RCB", "RMB")} == {
        **{name: given[name] for name in ("RID", "RCT", "RCB")},
        "RMB": "me",
    }


@pytest.mark.parametrize("column", ["RMT", "RMB"])
def test_nobody_sets_when_and_by_whom_a_row_was_changed(api, column):
    with pytest.raises(Forbidden):
        api.post(f"entity/S:Subject?nondefaults={column}", [])


def test_defaults_replace_what_is_given_and_nothing_else_is_defaulted(api):
    (made,) = api.post("entity/S:Every?defaults=serial,bool", [{"serial": 99, "bool": False, "texts": []}])

    assert made["serial"] != 99
    assert (made["bool"], made["i2"], made["texts"]) == (True, None, [])


def test_a_template_default_holds_the_rows_own_rid(api):
    made = api.post("entity/S:Term?defaults=ID", [{"Name": "x"}, {"Name": "y"}])

    assert [row["ID"] for row in made] == [f"s:{row['RID']}" for row in made]


def test_rows_may_have_different_keys(api):
    made = api.post("entity/S:Subject", [{"Name": "a"}, {"Name": "b", "Age": 5}, {"Age": None, "Name": "c"}])

    assert [row["Age"] for row in made] == [None, 5, None]


def test_keys_of_json_that_the_table_lacks_are_overlooked(api):
    assert own(api.post("entity/S:Species", [{"Name": "mouse", "Colour": "grey"}])) == [{"Name": "mouse"}]


def test_columns_of_csv_that_the_table_lacks_are_refused(api):
    with pytest.raises(BadRequest, match="no column 'Colour'"):
        api.call("POST", "entity/S:Species", b"Name,Colour\nmouse,grey\n", content_type="text/csv")


def test_null_is_json_null_in_json_columns_and_sql_null_elsewhere(api):
    api.post("entity/S:Image", [{"Filename": None, "Info": None}, {}])

    assert api.get("aggregate/S:Image/Info=null/n:=cnt(*)") == [{"n": 1}]
    assert api.get("aggregate/S:Image/Filename::null::/n:=cnt(*)") == [{"n": 2}]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'[{"Filename": "a", "Labels": ["x", "y"]}, {"Filename": "b,c", "Labels": null}]'),
        ("application/x-json-stream", b'{"Filename": "a", "Labels": ["x", "y"]}\n\n{"Filename": "b,c"}\n'),
        ("text/csv; charset=utf-8", b'Filename,Labels\na,"{x,y}"\n"b,c",\n'),
        ("text/csv", b'\xef\xbb\xbf"Labels",Filename\r\n"[""x"", ""y""]",a\r\n,"b,c"\r\n\r\n'),
    ],
)
def test_rows_are_read_from_json_json_streams_and_csv(api, content_type, body):
    api.call("POST", "entity/S:Image", body, content_type=content_type)

    assert api.get("attribute/S:Image/Filename,Labels@sort(Filename)") == [
        {"Filename": "a", "Labels": ["x", "y"]},
        {"Filename": "b,c", "Labels": None},
    ]


def test_csv_distinguishes_nothing_from_empty_quotes(api):
    api.call("POST", "entity/S:Image", b'Filename,Subject\n"",\n', content_type="text/csv")

    assert api.get("attribute/S:Image/Filename,Subject") == [{"Filename": "", "Subject": None}]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b""),
        ("application/json", b'{"Name": "a"}'),
        ("application/json", b'["a"]'),
        ("application/json", b"\xff"),
        ("application/json", b'[{"Name": "a", "Age": NaN}]'),
        ("application/json", b'[{"Name": "a\\u0000"}]'),
        ("application/json", b'[{"Name": "a\\ud800"}]'),
        ("application/json", b'[{"Name": "a", "Age": "three"}]'),
        ("application/json", b'[{"Name": "a", "Age": 1e99}]'),
        ("application/json", b"[" * 100_000),
        ("application/x-json-stream", b'{"Name": "a"'),
        ("text/csv", b""),
        ("text/csv", b"Name,\na,1\n"),
        ("text/csv", b"Name,Name\na,b\n"),
        ("text/csv", b"Name,Age\na\n"),
        ("text/csv", b"Name,Age\na,1,2\n"),
        ("text/csv", b'Name,Age\n"a,1\n'),
        ("text/csv", b"Name,Age\n\xff,1\n"),
        ("text/csv", b"Name,Age\na,three\n"),
    ],
)
def test_bodies_that_cannot_be_read_are_bad_requests_and_write_nothing(api, content_type, body):
    before = moment(api)

    with pytest.raises(BadRequest):
        api.call("POST", "entity/S:Subject", body, content_type=content_type)

    assert moment(api) == before


def test_other_content_types_are_unsupported(api):
    with pytest.raises(UnsupportedMediaType):
        api.call("POST", "entity/S:Subject", b"<row/>", content_type="text/xml")


def test_a_body_beyond_the_limit_is_not_read_to_its_end(catalog, api):
    read = []

    def body():
        for number in range(1000):
            read.append(number)
            yield bytes(2**20)

    with pytest.raises(PayloadTooLarge):
        handle(DataCall("POST", "entity/S:Subject", "", {}, body(), catalog, None, api.client))
    assert len(read) == 256


def test_no_rows_at_all_are_no_change(api):
    before = moment(api)

    assert api.post("entity/S:Subject", []) == []
    assert moment(api) == before


def test_constraints_speak_with_the_names_of_the_model(api):
    api.post("entity/S:Species", [{"Name": "mouse"}])

    with pytest.raises(Conflict, match=r'duplicate key value violates unique constraint "Species_Name_key".*\(mouse\)'):
        api.post("entity/S:Species", [{"Name": "rat"}, {"Name": "mouse"}])
    with pytest.raises(Conflict, match="violates foreign key constraint"):
        api.post("entity/S:Subject", [{"Name": "a", "Species": "unicorn"}])
    with pytest.raises(Conflict, match='null value in column "Name"'):
        api.post("entity/S:Subject", [{"Age": 3}])
    assert api.get("aggregate/S:Species/n:=cnt(*)") == [{"n": 1}]


def test_skipping_conflicts_makes_and_shows_only_new_rows(api):
    api.post("entity/S:Subject", [{"Name": "a", "Age": 1}])

    made = api.post("entity/S:Subject?onconflict=skip", [{"Name": "b"}, {"Name": "a", "Age": 2}, {"Name": "b"}])

    assert [row["Name"] for row in made] == ["b"]
    assert api.get("attribute/S:Subject/Name,Age@sort(Name)") == [{"Name": "a", "Age": 1}, {"Name": "b", "Age": None}]


def test_the_answer_to_a_post_can_be_csv(api):
    body = api.call("POST", "entity/S:Species", b"Name\nmouse\n", content_type="text/csv", accept="text/csv")[1]

    header, row = body.decode().splitlines()
    assert header == "RID,RCT,RMT,RCB,RMB,Name"
    assert row.endswith(",me,me,mouse")


# Update by entity


def test_entities_are_updated_by_key_or_created(api):
    api.post("entity/S:Subject", [{"Name": "a", "Age": 1}, {"Name": "b", "Age": 2}])

    api.put("entity/S:Subject", [{"Name": "a", "Age": 10}, {"Name": "c", "Age": 3}])

    assert api.get("attribute/S:Subject/Name,Age@sort(Name)") == [
        {"Name": "a", "Age": 10},
        {"Name": "b", "Age": 2},
        {"Name": "c", "Age": 3},
    ]


def test_entities_are_updated_by_rid_so_that_a_key_can_change(api):
    (made,) = api.post("entity/S:Subject", [{"Name": "a", "Age": 1}])

    (changed,) = api.put("entity/S:Subject", [{**made, "Name": "b"}])

    assert (changed["RID"], changed["Name"], changed["Age"]) == (made["RID"], "b", 1)
    assert changed["RCT"] == made["RCT"] < changed["RMT"]


def test_columns_that_are_not_given_keep_their_values(api):
    api.post("entity/S:Subject", [{"Name": "a", "Age": 1}])

    assert own(api.put("entity/S:Subject", [{"Name": "a", "Species": None}])) == [
        {"Name": "a", "Age": 1, "Species": None}
    ]


def test_entities_that_would_not_change_are_shown_and_left_alone(api):
    made = api.post("entity/S:Subject", [{"Name": "a", "Age": 1}, {"Name": "b", "Age": 2}])
    before = moment(api)

    assert api.put("entity/S:Subject", own(made)) == made
    assert moment(api) == before


def test_only_the_entities_that_differ_become_new_versions(api):
    first, second = api.post("entity/S:Subject", [{"Name": "a", "Age": 1}, {"Name": "b", "Age": 2}])

    api.put("entity/S:Subject", [{"Name": "a", "Age": 1}, {"Name": "b", "Age": 3}])

    found = api.get("entity/S:Subject@sort(Name)")
    assert [row["RMT"] > old["RMT"] for row, old in zip(found, (first, second), strict=True)] == [False, True]


def test_the_same_key_twice_in_an_update_is_a_conflict(api):
    api.post("entity/S:Subject", [{"Name": "a"}])

    for address in ("entity/S:Subject", "attributegroup/S:Subject/Name;Age"):
        with pytest.raises(Conflict, match=r'same key \(Name\)=\["a"\]'):
            api.put(address, [{"Name": "a", "Age": 1}, {"Name": "a", "Age": 2}])


# Update by columns


def test_a_keyed_update_changes_what_matches_and_shows_it(api):
    rids = [row["RID"] for row in api.post("entity/S:Subject", [{"Name": "a", "Age": 1}, {"Name": "b", "Age": 2}])]

    shown = api.put(
        "attributegroup/S:Subject/RID;Age",
        [{"RID": rids[1], "Age": 5, "Name": "ignored"}, {"RID": "NONE", "Age": 6}],
    )

    assert shown == [{"RID": rids[1], "Age": 5}]
    assert api.get("attribute/S:Subject/Name,Age@sort(Name)") == [{"Name": "a", "Age": 1}, {"Name": "b", "Age": 5}]


def test_an_update_that_matches_nothing_shows_nothing_and_changes_nothing(api):
    (made,) = api.post("entity/S:Subject", [{"Name": "a", "Age": 1}])
    before = moment(api)

    stale = {"RID": made["RID"], "RMT": "2001-01-01T00:00:00+00:00", "Age": 2}

    assert api.put("attributegroup/S:Subject/RID,RMT;Age", [stale]) == []
    assert moment(api) == before
    assert api.put("attributegroup/S:Subject/RID,RMT;Age", [{**stale, "RMT": made["RMT"]}]) != []


def test_an_update_without_rows_is_no_change(api):
    before = moment(api)

    assert api.put("attributegroup/S:Subject/RID;Age", []) == []
    assert api.put("entity/S:Subject", []) == []
    assert moment(api) == before


def test_a_key_can_be_renamed_through_aliases(api):
    api.post("entity/S:Subject", [{"Name": "a"}, {"Name": "b"}])

    shown = api.put("attributegroup/S:Subject/o0:=Name;n0:=Name", [{"o0": "a", "n0": "z"}])

    assert shown == [{"o0": "a", "n0": "z"}]
    assert [row["Name"] for row in api.get("entity/S:Subject@sort(Name)")] == ["b", "z"]


def test_nulls_match_nulls(api):
    api.post("entity/S:Image", [{"Filename": "f", "Size": None}, {"Filename": "f", "Size": 1}])

    api.put("attributegroup/S:Image/Filename,Size;Reviewer", [{"Filename": "f", "Size": None, "Reviewer": "r"}])

    assert [row["Reviewer"] for row in api.get("entity/S:Image@sort(Size)")] == [None, "r"]


def test_references_follow_a_key_only_as_far_as_the_model_says(api):
    api.post("entity/S:Species", [{"Name": "mouse"}])
    api.post("entity/S:Subject", [{"Name": "a", "Species": "mouse"}])

    with pytest.raises(Conflict, match="violates foreign key constraint"):
        api.put("attributegroup/S:Species/o:=Name;n:=Name", [{"o": "mouse", "n": "rat"}])


@pytest.mark.parametrize(
    ("address", "rows", "error"),
    [
        ("attributegroup/S:Subject/RID", [{"RID": "x"}], BadRequest),
        ("attributegroup/S:Subject/RID;Age", [{"RID": "x"}], BadRequest),
        ("attributegroup/S:Subject/RID;RID", [{"RID": "x"}], BadRequest),
        ("attributegroup/S:Subject/RID;x:=cnt(Age)", [{"RID": "x", "x": 1}], BadRequest),
        ("attributegroup/S:Subject/Age=1/RID;Age", [{"RID": "x", "Age": 1}], BadRequest),
        ("attributegroup/S:Subject/Name;RMT", [{"Name": "x", "RMT": None}], Forbidden),
        ("attributegroup/S:Subject/Nope;Age", [{"Nope": 1, "Age": 1}], Conflict),
        ("entity/S:Subject/Age=1", [{"Name": "x"}], BadRequest),
        ("entity/S:Nope", [{"Name": "x"}], Conflict),
        ("aggregate/S:Subject/n:=cnt(*)", [], MethodNotAllowed),
    ],
)
def test_updates_that_make_no_sense_are_refused(api, address, rows, error):
    with pytest.raises(error):
        api.put(address, rows)


# Delete


def test_deleting_takes_what_the_path_denotes(api):
    (a, b) = api.post("entity/S:Subject", [{"Name": "a"}, {"Name": "b"}])
    api.post("entity/S:Image", [{"Filename": n, "Subject": s["RID"]} for n, s in (("1", a), ("2", b), ("3", a))])

    assert api.delete("entity/S:Subject/Name=a/S:Image") == 204

    assert [row["Filename"] for row in api.get("entity/S:Image")] == ["2"]
    assert len(api.get("entity/S:Subject")) == 2


@pytest.mark.parametrize("name", ["%s", "{}", "'", "\\'; --", "$1", ":x"])
def test_no_value_has_a_meaning_to_sql(api, name):
    api.post("entity/S:Subject", [{"Name": name, "Age": 1}, {"Name": "other", "Age": 2}])
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())

    assert api.put("attributegroup/S:Subject/Name;Age", [{"Name": name, "Age": 3}]) == [{"Name": name, "Age": 3}]
    assert api.delete(f"attribute/S:Subject/Name={encoded}/Age") == 204
    assert api.delete(f"entity/S:Subject/Name={encoded}") == 204
    assert [row["Name"] for row in api.get("entity/S:Subject")] == ["other"]


def test_deleting_nothing_is_not_found(api):
    with pytest.raises(NotFound):
        api.delete("entity/S:Subject/Name=a")


def test_what_is_referred_to_cannot_be_deleted(api):
    api.post("entity/S:Species", [{"Name": "mouse"}])
    api.post("entity/S:Subject", [{"Name": "a", "Species": "mouse"}])

    with pytest.raises(Conflict, match="violates foreign key constraint"):
        api.delete("entity/S:Species")


def test_clearing_attributes_sets_their_defaults(api):
    api.post("entity/S:Every?defaults=serial", [{"i2": 1, "i8": 1}, {"i2": 2, "i8": 2}])

    assert api.delete("attribute/S:Every/i2=1/i2,i8") == 204

    assert api.get("attribute/S:Every/i2,i8@sort(i2)") == [{"i2": 2, "i8": 2}, {"i2": 7, "i8": None}]


@pytest.mark.parametrize(
    ("address", "error"),
    [("attribute/A:=S:Image/S:Subject/A:Size", BadRequest), ("attribute/S:Image/RID", Forbidden)],
)
def test_only_own_columns_of_the_last_table_can_be_cleared(api, address, error):
    with pytest.raises(error):
        api.delete(address)


# Conditions and rights


def test_a_write_can_demand_the_state_that_was_read(api):
    tag = api.call("GET", "entity/S:Species")[0].headers["ETag"]
    body = json.dumps([{"Name": "mouse"}]).encode()

    for condition in ({"if_match": '"other"'}, {"if_none_match": tag}, {"if_none_match": "*"}):
        with pytest.raises(PreconditionFailed):
            api.call("POST", "entity/S:Species", body, **condition)
    answer, _ = api.call("POST", "entity/S:Species", body, if_match=f'"other", {tag}')

    assert answer.headers["ETag"] == api.call("GET", "entity/S:Species")[0].headers["ETag"] != tag


def test_a_write_that_changes_nothing_keeps_the_etag(api):
    api.post("entity/S:Species", [{"Name": "mouse"}])
    tag = api.call("GET", "entity/S:Species")[0].headers["ETag"]

    answer, _ = api.call("PUT", "entity/S:Species", json.dumps([{"Name": "mouse"}]).encode())

    assert answer.headers["ETag"] == tag


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "entity/S:Species"),
        ("PUT", "entity/S:Species"),
        ("PUT", "attributegroup/S:Subject/Name;Age"),
        ("DELETE", "entity/S:Species"),
        ("DELETE", "attribute/S:Subject/Age"),
    ],
)
def test_writing_takes_the_right_to_do_so(other, method, address):
    with pytest.raises(Forbidden):
        other.call(method, address, b"[]")
    with pytest.raises(Unauthorized):
        other.anonymous().call(method, address, b"[]")


def test_twenty_thousand_rows_take_as_few_statements_as_one(api):
    rows = [{"Name": f"n{n}", "Age": n % 90} for n in range(20_000)]

    api.post("entity/S:Subject", rows)
    api.put("attributegroup/S:Subject/Name;Age", [{**row, "Age": 91} for row in rows])

    assert api.get("aggregate/S:Subject/Age=91/n:=cnt(*)") == [{"n": 20_000}]


def test_clients_that_write_at_once_lose_nothing(api):
    def work(number):
        (made,) = api.post("entity/S:Subject", [{"Name": f"n{number}", "Age": 0}])
        assert api.put("attributegroup/S:Subject/RID;Age", [{"RID": made["RID"], "Age": number}]) != []
        return len(api.get(f"entity/S:Subject/Name=n{number}"))

    with ThreadPoolExecutor(16) as threads:  # twice as many as there are connections
        assert list(threads.map(work, range(64))) == [1] * 64

    assert api.get("aggregate/S:Subject/n:=cnt(*),sum:=sum(Age)") == [{"n": 64, "sum": sum(range(64))}]
