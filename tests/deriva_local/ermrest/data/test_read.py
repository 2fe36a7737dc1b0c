"""GET of entity, attribute, attributegroup and aggregate against the real PostgreSQL."""

from __future__ import annotations

import json

import pytest

from deriva_local.errors import BadRequest, Conflict, Forbidden, ServiceError, Unauthorized


@pytest.fixture
def filled(api):
    """Two species; subjects a (mouse, 3), b (rat, no age), c (nothing); images f0-f4 of a, b, a, b, a; f5 of nobody."""
    api.post("entity/S:Species", [{"Name": "mouse"}, {"Name": "rat"}])
    subjects = api.post(
        "entity/S:Subject",
        [{"Name": "a", "Age": 3, "Species": "mouse"}, {"Name": "b", "Species": "rat"}, {"Name": "c"}],
    )
    rids = [row["RID"] for row in subjects]
    images = [
        {"Filename": f"f{n}", "Subject": rids[n % 2], "Size": n, "Info": {"n": n}, "Labels": ["x", f"l{n}"]}
        for n in range(5)
    ]
    api.post("entity/S:Image", [*images, {"Filename": "f5"}])
    return api


def files(api, path):
    return [row["Filename"] for row in api.get(f"attribute/I:=S:Image/{path}/Filename:=I:Filename@sort(Filename)")]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Size=2", "f2"),
        ("Size::lt::2", "f0 f1"),
        ("Size::leq::2", "f0 f1 f2"),
        ("Size::gt::3", "f4"),
        ("Size::geq::3", "f3 f4"),
        ("Size::null::", "f5"),
        ("!Size::null::&Size::gt::2", "f3 f4"),
        ("!Size=2", "f0 f1 f3 f4"),
        ("!(Size=2;Size=3)", "f0 f1 f4"),
        ("Size=0;Size=1&Filename=f4", "f0"),
        ("(Size=0;Size=1)&Filename=f1", "f1"),
        ("Size=any(1,3,99)", "f1 f3"),
        ("Size=all(1,1)", "f1"),
        ("Size=all(1,3)", ""),
        ("Size::gt::any(3,2)", "f3 f4"),
        ("Filename=any(f1,%22,%5C,f%2C)", "f1"),
        ("Filename::regexp::%5Ef[12]$".replace("$", "%24"), "f1 f2"),
        ("Filename::ciregexp::F[12]", "f1 f2"),
        ("Filename::ts::f1", "f1"),
        ("Labels=l3", "f3"),
        ("Labels=any(l3,l1)", "f1 f3"),
        ("Labels=all(l3,x)", "f3"),
        ("Labels::regexp::%5El[45]", "f4"),
        ("Info=%7B%22n%22%3A%204%7D", "f4"),
        ("*::ciregexp::L2", "f2"),
        ("*::ciregexp::all(l2,f2)", "f2"),
        ("Filename=", ""),
        ("S:Subject/Name=a", "f0 f2 f4"),
        ("S:Subject/S:Species/Name=rat", "f1 f3"),
        ("S:Subject/Name=a/$I/Size::gt::0", "f2 f4"),
        ("B:=S:Subject/$I/I:Size=1&B:Name=b", "f1"),
        ("left(Subject)=(S:Subject:RID)/Name::null::", "f5"),
    ],
)
def test_filters_and_links_choose_rows(filled, condition, expected):
    assert files(filled, f"{condition}/$I" if condition.startswith(("S:", "left")) else condition) == expected.split()


def test_entities_reached_by_several_rows_appear_once(filled):
    assert sorted(row["Name"] for row in filled.get("entity/S:Image/S:Subject")) == ["a", "b"]


@pytest.mark.parametrize(("join", "rows"), [("", 5), ("left", 6), ("right", 6), ("full", 7)])
def test_outer_joins_keep_rows_without_partners(filled, join, rows):
    assert filled.get(f"aggregate/S:Image/{join}(Subject)=(S:Subject:RID)/n:=cnt(*)") == [{"n": rows}]


def test_a_filter_left_of_a_right_join_does_not_drop_the_rows_that_the_join_brings(filled):
    found = filled.get("attribute/I:=S:Image/Size=0/right(Subject)=(S:Subject:RID)/Name,f:=I:Filename@sort(Name)")

    assert found == [{"Name": "a", "f": "f0"}, {"Name": "b", "f": None}, {"Name": "c", "f": None}]


def test_projections_rename_and_reach_back(filled):
    found = filled.get("attribute/I:=S:Image/Size=1/S:Subject/Species,who:=Name,I:Filename,r:=I:Info")

    assert found == [{"Species": "rat", "who": "b", "Filename": "f1", "r": {"n": 1}}]


def test_groups_count_and_show_an_example(filled):
    found = filled.get("attributegroup/S:Image/S:Subject/Name;n:=cnt(*),Age")

    assert sorted(found, key=lambda row: row["Name"]) == [
        {"Name": "a", "n": 3, "Age": 3},
        {"Name": "b", "n": 2, "Age": None},
    ]


def test_aggregates(filled):
    (found,) = filled.get(
        "aggregate/I:=S:Image/lo:=min(Size),hi:=max(Size),sum:=sum(Size),avg:=avg(Size),n:=cnt(Size),d:=cnt_d(Subject),"
        "all:=cnt(*),names:=array(Filename),tags:=array_d(Labels),rows:=array(I:*)"
    )

    assert [found[name] for name in ("lo", "hi", "sum", "avg", "n", "d", "all")] == [0, 4, 10, 2, 5, 2, 6]
    assert sorted(found["names"]) == ["f0", "f1", "f2", "f3", "f4", "f5"]
    assert None in found["tags"]
    assert {row["Filename"] for row in found["rows"]} == set(found["names"])


def test_an_array_over_no_rows_is_null(filled):
    assert filled.get("aggregate/S:Image/Size=99/a:=array(Size),n:=cnt(*)") == [{"a": None, "n": 0}]


def test_bins_say_number_and_bounds(filled):
    found = filled.get("attributegroup/S:Image/b:=bin(Size;2;1;3);n:=cnt(*)@sort(b)")

    assert [(row["b"], row["n"]) for row in found] == [
        ([None, None, None], 1),
        ([0, None, 1], 1),
        ([1, 1, 2], 1),
        ([2, 2, 3], 1),
        ([3, 3, None], 2),
    ]


def test_bins_of_times_are_bounded_by_times(api):
    api.post("entity/S:Every?defaults=serial", [{"date": "2020-01-05", "ts": "2020-01-05T12:00:00"}])

    (found,) = api.get("attribute/S:Every/d:=bin(date;2;2020-01-01;2020-01-11),t:=bin(ts;10;2020-01-01;2020-01-11)")

    assert found["d"] == [1, "2020-01-01", "2020-01-06"]
    assert found["t"] == [5, "2020-01-05T00:00:00", "2020-01-06T00:00:00"]


def sizes(api, suffix):
    return [row["Size"] for row in api.get(f"attribute/S:Image/Size{suffix}")]


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("@sort(Size)", [0, 1, 2, 3, 4, None]),
        ("@sort(Size::desc::)", [None, 4, 3, 2, 1, 0]),
        ("@sort(Size)@after(2)", [3, 4, None]),
        ("@sort(Size)@after(::null::)", []),
        ("@sort(Size)@before(3)?limit=2", [1, 2]),
        ("@sort(Size)@before(::null::)?limit=2", [3, 4]),
        ("@sort(Size)@after(0)@before(3)", [1, 2]),
        ("@sort(Size::desc::)@after(::null::)?limit=1", [4]),
        ("@sort(Size::desc::)@after(3)", [2, 1, 0]),
        ("@sort(Size::desc::)@before(3)?limit=1", [4]),
        ("@sort(Size::desc::)@before(4)?limit=5", [None]),
        ("@sort(Size)?limit=0", []),
    ],
)
def test_sorted_pages(filled, suffix, expected):
    assert sizes(filled, suffix) == expected


def test_pages_over_two_columns_visit_every_row_once(filled):
    seen, key = [], ""
    while rows := filled.get(f"attribute/S:Image/Subject,Filename@sort(Subject,Filename::desc::){key}?limit=1"):
        seen += rows
        subject = rows[0]["Subject"] or "::null::"
        key = f"@after({subject},{rows[0]['Filename']})"

    assert seen == filled.get("attribute/S:Image/Subject,Filename@sort(Subject,Filename::desc::)")
    assert len(seen) == 6


def test_a_limit_alone_gives_the_same_rows_every_time(filled):
    assert [row["Filename"] for row in filled.get("entity/S:Image?limit=2")] == ["f0", "f1"]


def test_csv_tells_null_from_empty_text(api):
    api.post("entity/S:Image", [{"Filename": "", "Subject": None, "Labels": ['a"b', "c,d"]}])

    found = api.csv("attribute/S:Image/Filename,Subject,Labels,Info")

    assert found == 'Filename,Subject,Labels,Info\n"",,"{""a\\""b"",""c,d""}",\n'
    assert api.csv("attribute/S:Image/Labels?arrays=json") == 'Labels\n"[""a\\""b"",""c,d""]"\n'


def test_a_json_stream_has_a_row_a_line(filled):
    body = filled.call("GET", "attribute/S:Species/Name@sort(Name)", accept="application/x-json-stream")[1]

    assert body == b'{"Name":"mouse"}\n{"Name":"rat"}\n'


@pytest.mark.parametrize("accept", ["text/csv", "text/html;q=0.9,text/csv;q=0.8", "application/json;q=0.1,text/csv"])
def test_the_form_is_negotiated(filled, accept):
    answer, body = filled.call("GET", "attribute/S:Species/Name@sort(Name)", accept=accept)

    assert (answer.content_type, body) == ("text/csv", b"Name\nmouse\nrat\n")


def test_a_query_parameter_has_its_way_over_the_accept_header(filled):
    assert filled.call("GET", "entity/S:Species?accept=json", accept="text/csv")[0].content_type == "application/json"


def test_no_rows_are_an_empty_array_or_a_header(api):
    assert api.get("entity/S:Species") == []
    assert api.csv("attribute/S:Species/Name") == "Name\n"


def test_a_download_is_named_after_its_form(filled):
    answer = filled.call("GET", "entity/S:Species?download=my%20file", accept="text/csv")[0]

    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''my%20file.csv"


def test_output_names_may_be_anything(filled):
    names = ["r", "q", "o0", "rid", 'a"b', "x%y", "{}", "'", "ü"]
    items = ",".join("".join(f"%{byte:02X}" for byte in name.encode()) + ":=Name" for name in names)

    (found, *_) = filled.get(f"attribute/S:Species/{items}@sort(r)")

    assert found == dict.fromkeys(names, "mouse")
    assert json.loads(filled.call("GET", f"attributegroup/S:Species/{items}?limit=1")[1]) == [found]


def test_every_type_is_written_and_read(api):
    row = {
        "serial": 5, "bool": False, "i2": -1, "i8": 2**60, "f8": 1.5, "num": 12345678901.25, "date": "2020-02-29",
        "ts": "2020-02-29T10:11:12.123456", "tz": "2020-02-29T10:11:12.5+00:00", "json": {"b": 1, "a": [1, None]},
        "jsonb": ["x", {"y": None}], "uuid": "2648a44e-c81d-11e4-b6d7-00221930f5cc", "ints": [1, None, 3],
        "texts": ['q"uote', "com,ma", "", None, "back\\slash"],
        "odd /:;,=@&()!*$%\"'\\ name ü": "line\nbreak\ttab \u2028",
    }  # fmt: skip

    (made,) = api.post("entity/S:Every", [row])

    assert {name: made[name] for name in row} == row
    (read,) = api.get("entity/S:Every")
    assert read == made
    copied = api.csv("entity/S:Every")
    api.delete("entity/S:Every")
    api.call("POST", "entity/S:Every", copied.encode(), content_type="text/csv")
    (again,) = api.get("entity/S:Every")
    assert {name: again[name] for name in row} == row


def test_a_snapshot_answers_as_the_catalog_did_then(filled, catalog):
    with catalog.reading() as reading:
        then = reading.snaptime
    before = filled.get("entity/S:Image@sort(RID)")
    filled.delete("entity/S:Image/Size::lt::3")
    filled.put("attributegroup/S:Image/Filename;Size", [{"Filename": "f3", "Size": 33}])

    assert filled.get("entity/S:Image@sort(RID)", snap=then) == before
    assert sizes(filled, "@sort(Size)") == [4, 33, None]


def test_a_snapshot_cannot_be_written(filled, catalog):
    with catalog.reading() as reading, pytest.raises(Forbidden):
        filled.call("DELETE", "entity/S:Image", snap=reading.snaptime)


def test_an_etag_says_whether_anything_has_changed(filled):
    tag = filled.call("GET", "entity/S:Species")[0].headers["ETag"]

    assert filled.call("GET", "entity/S:Species", if_none_match=tag)[0].status == 304
    filled.post("entity/S:Species", [{"Name": "dog"}])
    assert filled.call("GET", "entity/S:Species", if_none_match=tag)[0].status == 200


def test_big_answers_are_streamed_whole(api):
    rows = [{"Filename": f"{n:06}" + "x" * 500} for n in range(20_000)]
    api.post("entity/S:Image", rows)

    answer, body = api.call("GET", "attribute/S:Image/Filename@sort(Filename)")

    assert "Content-Length" not in answer.headers
    assert json.loads(body) == rows


def test_a_reader_that_gives_up_leaves_its_connection_usable(api):
    api.post("entity/S:Image", [{"Filename": "x" * 500} for _ in range(20_000)])

    for consumed in (0, 1):
        for _ in range(10):  # more often than there are connections
            answer = api.open("GET", "entity/S:Image")
            for _ in range(consumed):
                next(answer.body)
            answer.body.close()

    assert api.get("aggregate/S:Image/n:=cnt(*)") == [{"n": 20_000}]


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("entity/S:Image/Size=abc", BadRequest),
        ("entity/S:Image/Size=any(1,x)", BadRequest),
        ("entity/S:Image/Info=nojson", BadRequest),
        ("entity/S:Image/RCT=yesterdayish", BadRequest),
        ("entity/S:Image/Filename::regexp::%28", BadRequest),
        ("entity/S:Image/Filename::ts::%26%26", BadRequest),
        ("entity/S:Image/(Size)=(S:Subject:Name)", BadRequest),
        ("attribute/S:Image/b:=bin(Size;2;1;1)", BadRequest),
        ("attribute/S:Image/b:=bin(Size;2;a;b)", BadRequest),
        ("entity/S:Image@sort(Size)@after(x)", BadRequest),
        ("entity/S:Nope", Conflict),
    ],
)
def test_faults_that_only_the_database_sees_have_their_status_too(filled, address, error):
    with pytest.raises(error):
        filled.get(address)


def test_whoever_may_not_read_a_table_gets_no_row_of_it_by_any_way(filled, other):
    for address in ("entity/S:Image", "entity/S:Species/S:Subject", "aggregate/S:Image/n:=cnt(*)"):
        with pytest.raises(Forbidden):
            other.get(address)
    with pytest.raises(Unauthorized):
        other.anonymous().get("entity/S:Image")


def test_errors_are_the_services_own(filled):
    with pytest.raises(ServiceError, match='invalid input syntax for type bigint: "abc"'):
        filled.get("entity/S:Image/Size=abc")
