"""Snapshot ids and RIDs: our codec and deriva's agree."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from deriva.core.ermrest_model import epoch_microseconds_to_snaptime, snaptime_to_epoch_microseconds
from deriva.core.utils.core_utils import crockford_b32encode
from hypothesis import given
from hypothesis import strategies as st

from deriva_local.errors import BadRequest
from deriva_local.model import base32, rid, snaptime

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(st.integers(0, 2**80))
def test_what_is_encoded_is_decoded(number: int) -> None:
    assert base32.decode(base32.encode(number)) == number


@given(st.integers(0, 2**80))
def test_numbers_are_written_as_deriva_writes_them(number: int) -> None:
    assert base32.encode(number) == crockford_b32encode(number)


@given(st.integers(0, 2**40))
def test_lower_case_and_look_alike_letters_are_read(number: int) -> None:
    text = base32.encode(number)
    assert base32.decode(text.lower().replace("0", "o").replace("1", "l")) == number


@pytest.mark.parametrize("text", ["", "-", "U", "1-00U0", "é", "1 0"])
def test_what_is_not_base_32_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base 32"):
        base32.decode(text)


@given(MOMENTS)
def test_a_snapshot_id_keeps_every_microsecond(moment: datetime) -> None:
    snap = snaptime.from_datetime(moment)
    assert snaptime.to_datetime(snap) == moment
    assert snaptime.decode(snaptime.encode(snap)) == snap


@given(st.integers(2**50, 2**62))
def test_snapshot_ids_are_those_of_deriva(bits: int) -> None:
    snap = bits >> 8
    assert snaptime.encode(snap) == epoch_microseconds_to_snaptime(snap)
    assert snaptime_to_epoch_microseconds(snaptime.encode(snap)) == snap


@pytest.mark.parametrize("text", ["", "soup", "2PX_WS30", "ZZZZ-ZZZZ-ZZZZ-ZZZZ"])
def test_what_is_no_snapshot_id_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequest, match=repr(text)):
        snaptime.decode(text)


@given(st.integers(rid.FIRST_NUMBER, 2**60))
def test_rids_have_the_form_that_clients_accept_and_never_look_like_numbers(number: int) -> None:
    text = rid.encode(number)
    assert re.fullmatch(r"[0-9A-Z]{1,4}(-[0-9A-Z]{4})*", text)
    with pytest.raises(ValueError, match="could not convert"):
        float(text)


@pytest.mark.parametrize(
    ("typed", "stored"), [("1-000s", "1-000S"), ("1-ooOl", "1-0001"), ("1000", "1000"), ("x!", None)]
)
def test_a_rid_is_found_as_a_person_types_it(typed: str, stored: str | None) -> None:
    assert rid.normalise(typed) == stored
