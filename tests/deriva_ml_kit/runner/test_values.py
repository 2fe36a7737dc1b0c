"""Values of a configuration against the annotations of the functions that get them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from pydantic import Field

from deriva_ml_kit.runner.values import hints_of, misfit, wrong_values


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Unknown:
    pass


@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        (3, int, None),
        (3, float, None),
        (None, int | None, None),
        ("x", int | None, "'x' is not a whole number or null"),
        ("3", int | None, "the text '3' is not a whole number or null"),
        (3.5, int, "3.5 is not a whole number"),
        ("adam", Literal["adam", "sgd"], None),
        ("adm", Literal["adam", "sgd"], "'adm' is not one of 'adam', 'sgd'"),
        (9, Literal[1, 2, 3] | None, "9 is not one of 1, 2, 3 or null"),
        ("red", Colour, None),
        ("green", Colour, "'green' is not one of 'red', 'blue'"),
        ([1, 2], list[int], None),
        ([1, "a"], list[int], "[1, 'a'] is not a list of whole numbers, at 1"),
        ([1, 2], tuple[int, ...], None),
        ("a", list[str], "'a' is not a list of texts"),
        (-1.0, Annotated[float, Field(gt=0)], "-1.0 is not a number: Input should be greater than 0"),
        (True, bool, None),
        ("perhaps", bool, "'perhaps' is not true or false"),
        ("data", Path, None),
        (1, dict[str, int], "1 is not a mapping {key: value}"),
        ("anything", Unknown, None),
        ("anything", Any, None),
        ({"_target_": "models.scheduler"}, int, None),
    ],
)
def test_a_value_fits_or_the_message_says_what_would(value: Any, hint: Any, said: str | None) -> None:
    assert misfit(value, hint) == said


@given(
    st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none(), st.lists(st.integers()))
)
def test_no_value_makes_the_check_itself_fail(value: Any) -> None:
    for hint in (int, float | None, Literal["a"], list[float], dict[str, Any], Colour, Path, str):
        assert misfit(value, hint) is None or isinstance(misfit(value, hint), str)


def train(epochs: int, kind: Nowhere = None, *, ml_instance: Any, execution: Any) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Train on nothing."""


def test_an_annotation_that_cannot_be_looked_up_hides_no_other() -> None:
    assert hints_of(train) == {"epochs": int, "ml_instance": Any, "execution": Any}


def test_an_argument_that_the_function_does_not_take_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deriva_ml_kit.runner.values._target_of", lambda node: train)
    config = OmegaConf.create({"model_config": {"_target_": "x.train", "_partial_": True, "epohs": 3, "epochs": "x"}})

    assert dict(wrong_values(config)) == {
        "model_config.epohs": "train has no such parameter; did you mean 'epochs'?",
        "model_config.epochs": "'x' is not a whole number",
    }
