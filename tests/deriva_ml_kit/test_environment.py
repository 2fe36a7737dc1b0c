import os

import pytest

from deriva_ml_kit.environment import environment


def test_what_was_there_is_put_back_after_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_THERE", "before")
    monkeypatch.delenv("KIT_NEW", raising=False)

    with pytest.raises(ZeroDivisionError), environment({"KIT_THERE": "now", "KIT_NEW": "now"}):
        assert (os.environ["KIT_THERE"], os.environ["KIT_NEW"]) == ("now", "now")
        raise ZeroDivisionError

    assert os.environ["KIT_THERE"] == "before"
    assert "KIT_NEW" not in os.environ
