"""Command lines taken apart: Hydra's flags, overrides, texts as values."""

from __future__ import annotations

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from deriva_ml_kit.runner import overrides
from deriva_ml_kit.runner.overrides import (
    HYDRA_FLAGS,
    RUN,
    is_scale,
    key_of,
    quoted,
    says_true,
    take_flags,
    without,
    wrong_flag,
)

OURS = {"--help", "-h", "--multirun", "-m", "--config-name", "-cn", "--config-dir", "-c", "--info", "-i"} | set(RUN)
words = st.sampled_from(["+experiment=a", "model_config.epochs=1,2", "~x", "++a.b=[1,2]", "dry_run=true", "bare"])
flags = st.sampled_from(
    [("--cfg", "job"), ("--resolve",), ("--package", "model_config"), ("-p", "a=b"), ("--info", "all")]
)


def test_every_flag_of_hydra_is_known_with_its_number_of_values() -> None:
    theirs = {
        flag: 0 if action.nargs == 0 else 1
        for action in get_args_parser()._actions
        for flag in action.option_strings
        if flag not in OURS
    }

    assert theirs == HYDRA_FLAGS


@given(st.lists(words | flags))
def test_flags_are_taken_with_their_values_and_all_else_keeps_its_order(parts: list[str | tuple[str, ...]]) -> None:
    typed = [word for part in parts for word in ([part] if isinstance(part, str) else part)]

    taken = take_flags(typed)

    assert list(taken.rest) == [part for part in parts if isinstance(part, str)]
    assert list(taken.flags) == [word for part in parts if not isinstance(part, str) for word in part]


@pytest.mark.parametrize(
    ("typed", "flags", "rest"),
    [
        (["--info"], [], ["--info"]),
        (["--info", "+experiment=a"], [], ["--info", "+experiment=a"]),
        (["--info", "defaults"], ["--info", "defaults"], []),
        (["--info=config", "a=1"], ["--info", "config"], ["a=1"]),
        (["-c", "configs", "-cd", "more"], ["-cd", "more"], ["-c", "configs"]),
        (["--cfg=job", "a=1"], ["--cfg", "job"], ["a=1"]),
        (["--run", "a=1", "-r"], [], ["a=1"]),
    ],
)
def test_info_is_hydras_where_a_word_of_hydras_follows(typed: list[str], flags: list[str], rest: list[str]) -> None:
    taken = take_flags(typed)

    assert (list(taken.flags), list(taken.rest)) == (flags, rest)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--cfg"], "--cfg needs a value: job, hydra, all"),
        (["--cfg", "jobs"], "--cfg jobs: there are job, hydra, all"),
        (["--cfg", "job", "--package"], "--package needs a value"),
        (["--resolve"], "--resolve goes with --cfg job"),
        (["--cfg", "job", "--resolve", "-p", "model_config"], None),
    ],
)
def test_a_flag_without_its_value_is_told(typed: list[str], said: str | None) -> None:
    assert wrong_flag(typed) == said


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_text_comes_out_of_hydras_grammar_as_it_went_in(text: str) -> None:
    override = OverridesParser.create().parse_override(f"description={quoted(text)}")

    config = OmegaConf.create({"description": ""})
    OmegaConf.update(config, "description", override.value())
    assert text in ("???", config.description)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["dry_run=true"], True),
        (["dry_run=True"], True),
        (["++dry_run='true'"], True),
        (["dry_run=true", "dry_run=false"], False),
        (["model_config.dry_run=true"], False),
        ([], False),
    ],
)
def test_the_last_word_says_whether_a_run_is_dry(typed: list[str], expected: bool) -> None:
    assert says_true(typed, "dry_run") is expected


def test_datasets_and_lengths_of_training_are_the_scale_of_a_run() -> None:
    scale = ["datasets=dev", "datasets.training.rid=1-A", "model_config.epochs=3", "+model_config.max_steps=9"]

    assert all(is_scale(word) for word in scale)
    assert not any(is_scale(word) for word in ["model_config.learning_rate=3", "epochs=3", "+experiment=a"])
    assert key_of("++a.b=c=d") == "a.b"
    assert set(overrides.INFO) == {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def test_a_command_is_told_without_what_the_next_one_does_not_have() -> None:
    typed = ["-c", "configs", "--tier", "2", "+experiment=a", "++dry_run=true", "--tier=2", "tier=2", "--json"]

    assert without(typed, "dry_run", "tier") == ["-c", "configs", "+experiment=a", "--json"]
