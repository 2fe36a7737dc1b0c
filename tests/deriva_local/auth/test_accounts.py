"""Users and sessions: tokens open sessions, their hashes do not, and sessions end."""

from __future__ import annotations

import sqlite3
import stat
import time
from pathlib import Path

import pytest

from deriva_local.auth import Accounts, accounts
from deriva_local.errors import Conflict, NotFound


@pytest.fixture
def people(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "accounts.sqlite")


def test_the_default_user_is_the_same_at_every_start(people: Accounts, tmp_path: Path) -> None:
    first = people.default_user("ada", "Ada L.")
    assert Accounts(tmp_path / "accounts.sqlite").default_user("somebody else", "") == first
    assert (first.display_name, first.full_name, first.email) == ("ada", "Ada L.", "ada@localhost")
    assert first.attributes == (first.id, "admin")


def test_a_user_carries_its_groups_as_attributes(people: Accounts) -> None:
    ben = people.add_user("ben", "Ben", groups=["https://localhost/groups/curators"])
    assert ben.attributes == (ben.id, "https://localhost/groups/curators")
    assert people.user("ben") == ben


def test_a_name_is_given_once(people: Accounts) -> None:
    people.add_user("ben")
    with pytest.raises(Conflict, match="'ben'"):
        people.add_user("ben")


def test_an_unknown_user_is_answered_with_the_known_ones(people: Accounts) -> None:
    people.add_user("ben")
    with pytest.raises(NotFound, match=r"'bne'.*'ben'"):
        people.user("bne")


def test_a_token_stands_for_its_user(people: Accounts) -> None:
    ada, ben = people.default_user("ada", ""), people.add_user("ben")
    for user in (ada, ben):
        session = people.session(people.log_in(user))
        assert session is not None
        assert session.client == user


def test_tokens_are_long_and_all_different(people: Accounts) -> None:
    ada = people.default_user("ada", "")
    tokens = {people.log_in(ada) for _ in range(20)}
    assert len(tokens) == 20
    assert min(len(token) for token in tokens) >= 43  # 256 bits in base64


def test_the_file_holds_no_token_and_is_closed_to_others(people: Accounts, tmp_path: Path) -> None:
    token = people.log_in(people.default_user("ada", ""))
    path = tmp_path / "accounts.sqlite"
    assert token.encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_the_file_holds_opens_no_session(people: Accounts, tmp_path: Path) -> None:
    people.log_in(people.default_user("ada", ""))
    with sqlite3.connect(tmp_path / "accounts.sqlite") as database:
        (kept,) = database.execute("SELECT token_hash FROM sessions").fetchone()
    assert people.session(kept) is None


def test_logging_out_ends_that_session_alone(people: Accounts) -> None:
    ada = people.default_user("ada", "")
    first, second = people.log_in(ada), people.log_in(ada)
    people.log_out(first)
    assert people.session(first) is None
    assert people.session(second) is not None


def test_a_session_that_is_used_goes_on_and_an_unused_one_ends(
    people: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    used, unused = (people.log_in(people.default_user("ada", "")) for _ in range(2))
    monkeypatch.setattr(accounts.time, "time", lambda: now + 0.6 * accounts.LIFETIME_S)
    assert people.session(used) is not None
    monkeypatch.setattr(accounts.time, "time", lambda: now + 1.2 * accounts.LIFETIME_S)
    assert people.session(used) is not None
    assert people.session(unused) is None
