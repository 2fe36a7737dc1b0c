from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
from webhooks import receiving

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.drift import webhook as module
from deriva_ml_kit.ops.drift.webhook import ADDRESS, TOKEN, Webhook, webhook


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.001)


def test_a_message_arrives_with_its_token() -> None:
    with receiving([200]) as (url, got):
        assert Webhook(f"{url}/hooks/s3cret", "t0ken").send({"verdict": "drift"}) is None
    assert got == [{"body": {"verdict": "drift"}, "path": "/hooks/s3cret", "token": "Bearer t0ken"}]


@pytest.mark.parametrize(
    ("codes", "attempts", "fault"),
    [
        ([503, 429, 200], 3, None),
        ([500], 4, "127.0.0.1 answers 500, in 4 attempts"),
        ([404], 1, "127.0.0.1 answers 404, in 1 attempt"),
        ([302], 1, "127.0.0.1 answers 302, in 1 attempt"),  # the message does not follow
    ],
)
def test_only_what_may_pass_is_tried_again(codes: list[int], attempts: int, fault: str | None) -> None:
    with receiving(codes) as (url, got):
        assert Webhook(url).send({}) == fault
    assert len(got) == attempts


def test_silence_is_told_without_the_address(monkeypatch: pytest.MonkeyPatch, new_port: Callable[[], int]) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    fault = Webhook(f"http://127.0.0.1:{new_port()}/s3cret").send({})
    assert fault == "127.0.0.1 does not answer (ConnectionError), in 4 attempts"


def test_an_address_leaves_the_command_line_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://hooks.example.org/s3cret"
    monkeypatch.setattr("sys.argv", ["monitor-drift", "--webhook", url, f"--webhook={url}"])
    monkeypatch.setenv(TOKEN, "t0ken")
    made = webhook(url)
    assert made == Webhook(url, "t0ken") and "s3cret" not in repr(made) and "t0ken" not in repr(made)
    assert "s3cret" not in " ".join(sys.argv) and TOKEN not in os.environ
    monkeypatch.setenv(ADDRESS, url)
    assert webhook(None) == Webhook(url) and ADDRESS not in os.environ
    assert webhook(None) is None


@pytest.mark.parametrize("url", ["hooks.example.org/s3cret", "ftp://x/s3cret", "https://", "http://example.org/s3cret"])
def test_an_address_that_is_none_or_would_show_the_token_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Webhook(url, "t0ken")
    assert "s3cret" not in str(refused.value)
