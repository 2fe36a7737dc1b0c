"""Requests: exactly the columns of the training, of their types; every fault with its path, and never an exception."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.ops.serving.schema import Refused, Schema, Seen

TYPES = {
    "mean radius": "float64",
    "count": "int64",
    "small": "float32",
    "smoker": "bool",
    "sex": "str",
    "seen at": "datetime64[us, UTC]",
    "_x": "float64",
}
SEEN = {"mean radius": Seen(6.9, 28.1), "sex": Seen(levels=frozenset({"f", "m"})), "_x": Seen(0, 1, nullable=True)}
GOOD = {
    "mean radius": 12.5,
    "count": 3,
    "small": 1,
    "smoker": True,
    "sex": "f",
    "seen at": "2026-01-02T03:04:05Z",
    "_x": None,
}
SCHEMA = Schema(TYPES, SEEN, most=3)


def faults(content: Any, schema: Schema = SCHEMA) -> tuple[int, list[tuple[list[Any], str]]]:
    with pytest.raises(Refused) as refused:
        schema.read(content if isinstance(content, bytes) else json.dumps(content).encode())
    return refused.value.status, [(each["loc"], each["type"]) for each in refused.value.detail]


def one(**changed: Any) -> dict[str, Any]:
    return {"features": GOOD | changed}


def test_one_record_or_several() -> None:
    (asked,), many = SCHEMA.read(json.dumps(one() | {"unit": "P1", "request_id": "r"}).encode())
    assert (asked.values[:5], asked.unit, asked.request_id, many) == ((12.5, 3, 1.0, True, "f"), "P1", "r", False)
    records, many = SCHEMA.read(b" \n" + json.dumps([one(), one(sex="x")]).encode())
    assert (len(records), many, records[1].values[4]) == (2, True, "x")


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"mean radius": "12"}, "float_type"),
        ({"mean radius": True}, "float_type"),
        ({"mean radius": None}, "float_type"),
        ({"mean radius": [1]}, "float_type"),
        ({"mean radius": math.nan}, "finite_number"),
        ({"mean radius": -math.inf}, "finite_number"),
        ({"mean radius": 10**400}, None),
        ({"small": 1e39}, "less_than_equal"),
        ({"count": 1.5}, "int_type"),
        ({"count": 2**63}, None),
        ({"smoker": 1}, "bool_type"),
        ({"sex": 1}, "string_type"),
        ({"seen at": "2026-01-02T03:04:05"}, "timezone_aware"),
        ({"seen at": "yesterday"}, None),
        ({"more": 1}, "extra_forbidden"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_its_path(changed: dict[str, Any], kind: str | None) -> None:
    status, found = faults(one(**changed))
    (name,) = changed
    assert (status, [loc for loc, _ in found]) == (422, [["body", "features", name]])
    assert kind is None or found[0][1] == kind
    status, found = faults([one(), one(**changed)])
    assert found[0][0] == ["body", 1, "features", name]


def test_what_may_be_missing_is_what_was_missing_or_is_not_known() -> None:
    assert SCHEMA.read(json.dumps(one(**{"seen at": None, "_x": None, "small": None})).encode())
    for name in ("mean radius", "sex", "count", "smoker"):
        assert faults(one(**{name: None}))[1][0][0] == ["body", "features", name]


def test_every_fault_is_told() -> None:
    features: dict[str, Any] = GOOD | {"sex": 1, "new": 1}
    del features["count"]
    assert faults({"features": features, "unit": "", "who": 1}) == (
        422,
        [
            (["body", "features", "count"], "missing"),
            (["body", "features", "sex"], "string_type"),
            (["body", "features", "new"], "extra_forbidden"),
            (["body", "unit"], "string_too_short"),
            (["body", "who"], "extra_forbidden"),
        ],
    )


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"features": {"a": "\\ud800"}}', b"[" * 100_000, b"NaN,"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert faults(body)[0] == 400


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b"null", b'"x"', b"{}", b"[[]]", b"NaN", json.dumps([one()] * 4).encode()]
)
def test_json_of_another_shape_is_refused(body: bytes) -> None:
    assert faults(body)[0] == 422


def test_a_request_id_stands_for_one_record() -> None:
    assert faults([one() | {"request_id": "r"}] * 2) == (422, [(["body"], "request_id_twice")])


def test_what_is_refused_is_not_given_back() -> None:
    with pytest.raises(Refused) as refused:
        SCHEMA.read(json.dumps(one(sex=["confidential"])).encode())
    assert "confidential" not in json.dumps(refused.value.detail)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*TYPES, "features", "unit", "x"]), inner)
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
@settings(max_examples=200, deadline=None)
def test_nothing_but_a_record_or_a_refusal_comes_of_any_body(body: bytes) -> None:
    try:
        SCHEMA.read(body)
    except Refused as refused:
        assert refused.status in {400, 422}
        assert refused.detail
        json.dumps(refused.detail, allow_nan=False)


def test_the_json_schema_tells_what_was_trained_on() -> None:
    made = SCHEMA.json_schema()
    properties = made["$defs"]["Features"]["properties"]
    assert list(properties) == list(TYPES)
    assert properties["mean radius"]["x-trained"] == {"low": 6.9, "high": 28.1}
    assert properties["sex"]["x-trained"] == {"levels": ["f", "m"]}


@pytest.mark.parametrize(
    ("seen", "value", "held"),
    [
        (Seen(0, 1), 1, True),
        (Seen(0, 1), 1.01, False),
        (Seen(0, 1), None, True),
        (Seen(levels=frozenset({"a"})), "b", False),
        (Seen(levels=frozenset({"True"})), True, True),
        (Seen(), "anything", True),
    ],
)
def test_what_the_training_had_seen(seen: Seen, value: Any, held: bool) -> None:
    assert seen.holds(value) is held
