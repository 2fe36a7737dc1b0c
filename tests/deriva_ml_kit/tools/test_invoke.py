"""A call never raises: wrong arguments are named all at once, and whatever a tool does becomes data."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deriva_ml_kit.tools import registry
from deriva_ml_kit.tools.answers import LIMIT_BYTES, Answer, size
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code
from deriva_ml_kit.tools.invoke import Outcome, call_of, invoke
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.types import Limit, Name, TargetTable


class Echo(Answer):
    given: dict[str, Any]


def shop_echo(
    call: Call,
    *,
    target_table: TargetTable,
    limit: Limit = 10,
    names: list[Name] | None = None,
    options: dict[str, Any] | None = None,
    note: str | None = None,
    either: str | list[str] = "",
) -> Echo:
    """Say what was given."""
    return Echo(given={name: value for name, value in locals().items() if name != "call"})


RAISED: list[BaseException] = []


def shop_raise(call: Call) -> Echo:
    """Raise something."""
    raise RAISED[-1]


@pytest.fixture(autouse=True, scope="module")
def _shop() -> Iterator[None]:
    """Tools of this file beside those that there are."""
    registry.tools()
    before = dict(registry._TOOLS)
    for function in (shop_echo, shop_raise):
        tool("Try it", Effect.READ, catalog=False)(function)
    registry.tools.cache_clear()
    yield
    registry._TOOLS.clear()
    registry._TOOLS.update(before)
    registry.tools.cache_clear()


def called(tool_name: str = "shop_echo", /, **arguments: Any) -> Outcome:
    return invoke(tool_name, arguments, call_of(tool_name, Path()))


def accepted(**arguments: Any) -> dict[str, Any]:
    outcome = called(target_table="Image", **arguments)
    assert outcome.failure is None, outcome.failure
    found: dict[str, Any] = outcome.document["given"]
    return found


def refused(**arguments: Any) -> str:
    failure = called(**arguments).failure
    assert failure is not None
    assert failure.code is Code.BAD_ARGUMENT
    return failure.message


@pytest.mark.parametrize("names", [["a", "b"], '["a", "b"]', ' ["a", "b"]'])
def test_a_list_may_be_json_in_a_text(names: Any):
    assert accepted(names=names)["names"] == ["a", "b"]


def test_an_object_may_be_json_in_a_text():
    assert accepted(options='{"a": [1]}')["options"] == {"a": [1]}


@pytest.mark.parametrize("text", ['["a"]', "{broken", "[1, 2]"])
def test_what_is_a_text_stays_one_although_it_looks_like_json(text: str):
    assert accepted(note=text)["note"] == text
    assert called(target_table=text).document["given"]["target_table"] == text


def test_what_may_be_a_text_or_a_list_is_a_list_where_it_looks_like_one():
    assert accepted(either='["a"]')["either"] == ["a"]
    assert accepted(either="a")["either"] == "a"


def test_numbers_may_be_texts_and_texts_numbers():
    found = accepted(limit="20", note=7)

    assert (found["limit"], found["note"]) == (20, "7")


def test_null_is_the_same_as_nothing():
    assert accepted(names=None, note=None)["names"] is None


def test_blanks_around_names_are_left_out():
    assert called(target_table=" Image ").document["given"]["target_table"] == "Image"


def test_another_servers_name_is_understood_and_both_at_once_are_not():
    assert called(table="Image").document["given"]["target_table"] == "Image"
    assert "table: is another name of target_table" in refused(target_table="Image", table="Image")


def test_everything_that_is_wrong_is_said_at_once():
    message = refused(limit=0, names=["a", 5, ""], options="{broken", note="a\0b", nots="x")

    for part in (
        "target_table: is missing",
        "limit: ",
        "names.2: ",
        "options: ",
        "note: holds a NUL",
        "nots: there is no",
    ):
        assert part in message


def test_an_unknown_argument_is_told_the_nearest_names():
    failure = called(target_table="Image", limt=3).failure

    assert failure is not None
    assert failure.candidates == ["limit"]
    assert failure.remedy == "It takes target_table, limit, names, options, note, either."


def test_the_value_that_is_wrong_is_shown_however_long_it_is():
    message = refused(target_table="Image", limit="x" * 10_000)

    assert "(found 'xxx" in message
    assert len(message) < 500


def test_many_wrong_arguments_are_counted_and_the_first_are_named():
    message = refused(target_table="Image", **{f"name_{number}": 1 for number in range(5_000)})

    assert "name_0: there is no such argument" in message
    assert "and 4980 more" in message


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": ["b\0"]}, "options.a[0]: holds a NUL character"),
        ({"a\0": 1}, "options: holds a NUL character"),
        ({"a": "\ud800"}, "options.a: holds half of a character"),
        ({"a": float("nan")}, "options.a: nan is no number"),
        ({"a": float("inf")}, "options.a: inf is no number"),
        ({"a": 10**5000}, "options.a: the number is too large"),
        ('{"a": "\\u0000"}', "options.a: holds a NUL character"),
        ('{"a": "\\ud800"}', "options.a: holds half of a character"),
        ('{"a": NaN}', "options.a: nan is no number"),
        (json.loads('{"a":' * 500 + "1" + "}" * 500), "options: is nested more than 30 deep"),
        ('{"a":' * 100_000, "options: "),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_what_no_tool_can_take_is_refused_with_its_place(value: Any, why: str):
    assert why in refused(target_table="Image", options=value)


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "", " "])
def test_a_name_that_is_none_is_refused(name: str):
    assert refused(target_table="Image", **{name: 1})


def test_arguments_that_are_no_mapping_are_refused():
    outcome = invoke("shop_echo", ["Image"], call_of("shop_echo", Path()))  # type: ignore[arg-type]

    assert outcome.failure is not None
    assert outcome.failure.code is Code.BAD_ARGUMENT


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=6), inner, max_size=4)
    ),
    max_leaves=10,
)
keys = st.sampled_from(["target_table", "table", "limit", "names", "options", "note", "either", "x\ud800"]) | st.text()


@given(st.dictionaries(keys, json_values, max_size=7))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_given_becomes_an_answer_or_an_error(arguments: dict[str, Any]):
    outcome = invoke("shop_echo", arguments, call_of("shop_echo", Path()))
    text = json.dumps(outcome.document, ensure_ascii=False, allow_nan=False).encode("utf-8")

    assert len(text) <= LIMIT_BYTES
    if outcome.failure is None:
        assert outcome.document["given"]["target_table"]
    else:
        assert outcome.failure.code is Code.BAD_ARGUMENT
        assert outcome.document["error"]["message"]


@given(st.text(st.characters(), max_size=30))
def test_whatever_a_tool_is_called_it_is_one_or_an_error(name: str):
    outcome = invoke(name, {}, call_of(name, Path()))

    assert outcome.failure is None or outcome.failure.code in (Code.UNKNOWN_TOOL, Code.BAD_ARGUMENT, Code.NO_CATALOG)


def test_an_unknown_tool_is_told_the_nearest():
    failure = called("deriva_ml_get_featur").failure

    assert failure is not None
    assert (failure.code, failure.candidates[0]) == (Code.UNKNOWN_TOOL, "deriva_ml_get_feature")


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit(1), AssertionError(), RecursionError()])
def test_what_nobody_foresaw_is_an_error_too(error: BaseException):
    RAISED.append(error)
    outcome = called("shop_raise")

    assert outcome.failure is not None
    assert outcome.failure.code in (Code.INTERNAL, Code.FAILED)
    assert "Traceback" not in json.dumps(outcome.document)


def test_an_error_is_of_bounded_size():
    RAISED.append(ValueError("x" * 1_000_000))
    document = called("shop_raise").document

    assert size(document) <= LIMIT_BYTES
    assert document["shortened"] == ["error.message: the first 4000 of 1000012 characters"]


def test_who_interrupts_is_heeded():
    RAISED.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        called("shop_raise")


def test_a_call_that_nobody_waits_for_ends_at_the_next_step():
    told: list[Any] = []
    call = Call("shop_echo", Path(), report=lambda *what: told.append(what), why_stopped=Code.TIMEOUT)
    call.progress(1, 2, "half")
    call.stop.set()
    failures = []
    for step in (call.check, lambda: call.progress(2)):
        with pytest.raises(Exception, match="was ended before it was done") as caught:
            step()
        failures.append(caught.value.code)  # type: ignore[attr-defined]

    assert (told, failures) == ([(1, 2, "half")], [Code.TIMEOUT, Code.TIMEOUT])


def test_calls_in_threads_do_not_mix():
    found: dict[int, Any] = {}

    def one(number: int) -> None:
        found[number] = called(target_table=f"T{number}", limit=number).document["given"]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {n: (given["target_table"], given["limit"]) for n, given in found.items()} == {
        n: (f"T{n}", n) for n in range(1, 21)
    }


def test_an_example_of_a_call_can_be_called():
    from deriva_ml_kit.tools.written import written  # noqa: PLC0415

    call = Call("shop_echo", Path(), hostname="localhost:8443", catalog_id="1")
    text = call.example("shop_echo", target_table='say "hi" \\ ü', names=["a"], limit=3, note=None)

    assert written(text) == (
        "shop_echo",
        {
            "hostname": "localhost:8443",
            "catalog_id": "1",
            "target_table": 'say "hi" \\ ü',
            "names": ["a"],
            "limit": 3,
            "note": None,
        },
    )
