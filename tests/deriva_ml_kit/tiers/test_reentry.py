"""Which tier a change goes back to, as one table; and which receipts of tier 1 let a run begin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from receipts import CODE, CONFIG, DEV, FULL, receipt, request, with_model

from deriva_ml_kit.tiers.receipt import Check, Status
from deriva_ml_kit.tiers.reentry import harmless, misfit, natural_tier, reentry

OTHER = CODE.model_copy(update={"commit": "2e" * 20})
SMALL: dict[str, Any] = {"tier": 2, "execution_rid": "2-EXE0"}

# What changed since tier 2 -> (changes of the request, changed files, tier to go back to, what is said).
CHANGES: dict[str, tuple[dict[str, Any], list[str] | None, int, str]] = {
    "nothing but the dataset": ({}, [], 3, ""),
    "more epochs": ({"config": with_model(epochs=50)}, [], 3, ""),
    "a swept value": (
        {"config": with_model(learning_rate=0.1), "swept": frozenset({"model_config.learning_rate"})},
        [],
        3,
        "",
    ),
    "a config value": (
        {"config": with_model(learning_rate=0.1)},
        [],
        1,
        "the configuration has changed: model_config.learning_rate: 0.001 -> 0.1",
    ),
    "a new config value": ({"config": with_model(dropout=0.5)}, [], 1, "model_config.dropout: (not set) -> 0.5"),
    "a swept value that is none of the model's": (
        {"config": CONFIG | {"extra": 1}, "swept": frozenset({"extra"})},
        [],
        1,
        "extra: (not set) -> 1",
    ),
    "an asset": ({"assets": ("2-WGTS",)}, [], 1, "other input assets: none, now 2-WGTS"),
    "documents": ({"code": OTHER}, ["docs/design/model/x.md", "README.md", "tests/test_x.py"], 1, "in documents"),
    "pins and config values": ({"code": OTHER}, ["src/configs/datasets.toml", "src/configs/model_config.py"], 1, ""),
    "code": ({"code": OTHER}, ["README.md", "src/models/digits.py"], 2, "code has changed since: src/models/digits.py"),
    "dependencies": ({"code": OTHER}, ["uv.lock"], 2, "uv.lock"),
    "code in the config folder": (
        {"code": OTHER, "config": with_model(_target_="configs.digits.train")},
        ["src/configs/digits.py"],
        2,
        "src/configs/digits.py",
    ),
    "another function": ({"config": with_model(_target_="models.cnn.train")}, [], 2, "another function runs"),
    "another function, swept": (
        {"config": with_model(_target_="models.cnn.train"), "swept": frozenset({"model_config"})},
        [],
        2,
        "another function runs",
    ),
    "another version of the same dataset": (
        {"datasets": (DEV.model_copy(update={"version": "0.2.0"}),)},
        [],
        2,
        "dataset 2-DEV0 was in version 0.1.0, now in 0.2.0",
    ),
    "another role": (
        {"datasets": (FULL, FULL.model_copy(update={"role": "testing", "rid": "2-TEST"}))},
        [],
        2,
        "its datasets had other roles: training, now training, testing",
    ),
    "uncommitted changes": ({"code": CODE.model_copy(update={"dirty": True})}, [], 2, "uncommitted changes now"),
    "another script": (
        {"code": CODE.model_copy(update={"script": "src/models/cnn.py"})},
        [],
        2,
        "another script, src/models/digits.py",
    ),
    "another repository": ({"code": OTHER}, None, 2, "is not in this repository"),
    "another catalog": ({"catalog_id": "7"}, [], 2, "about another catalog, 1 on localhost:8443; now 7 on"),
    "values and code": ({"config": with_model(learning_rate=0.1)}, ["src/models/digits.py"], 2, "code has changed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_goes_back_to_its_tier(name: str) -> None:
    changes, files, tier, said = CHANGES[name]
    found = reentry(receipt(**SMALL), request(3, **changes), files)
    assert found.tier == tier
    assert said in "; ".join(found.reasons)
    assert bool(found.reasons) == (tier < 3)


def test_a_small_run_with_uncommitted_changes_says_nothing() -> None:
    before = receipt(**SMALL, code=CODE.model_copy(update={"dirty": True}))
    assert reentry(before, request(3), []).reasons == ("it was made with uncommitted changes",)


def test_tier_2_lets_scale_differ_and_tier_3_does_not() -> None:
    longer = with_model(epochs=50)
    assert misfit(receipt(), request(2, config=longer), exact=False) is None
    found = misfit(receipt(), request(3, config=longer), exact=True)
    assert found
    assert [str(each) for each in found.differences] == ["model_config.epochs: 3 -> 50"]


def test_a_dry_run_on_the_development_dataset_counts_for_the_full_one() -> None:
    assert misfit(receipt(), request(3), exact=True) is None


MISFITS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "failed": ({"checks": (Check(id="work", title="W", status=Status.FAIL),)}, {}, r"did not pass: fail \(work\)"),
    "undecided": (
        {"checks": (Check(id="work", title="W", status=Status.INSUFFICIENT),)},
        {},
        r"did not pass: insufficient \(work\)",
    ),
    "dirty": ({"code": CODE.model_copy(update={"dirty": True})}, {}, "made with uncommitted changes"),
    "other commit": ({}, {"code": OTHER}, "another commit, 1f1f1f1f1f; now 2e2e2e2e2e"),
    "other catalog": ({}, {"hostname": "data.example.org"}, "another catalog, 1 on localhost:8443"),
    "other version": (
        {},
        {"datasets": (DEV.model_copy(update={"version": "0.3.0"}),)},
        "2-DEV0 was in version 0.1.0, now in 0.3.0",
    ),
    "other assets": ({}, {"assets": ("2-WGTS",)}, "other input assets: none, now 2-WGTS"),
    "other configuration": ({}, {"config": with_model(seed=1)}, "another configuration"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_dry_run_of_something_else_does_not_count(name: str) -> None:
    before, now, said = MISFITS[name]
    found = misfit(receipt(**before), request(2, **now), exact=False)
    assert found
    assert re.search(said, "; ".join(found.reasons))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("README.md", True),
        ("LICENSE", True),
        ("docs/design/x.py", True),
        ("tests/test_digits.py", True),
        ("src/configs/datasets.toml", True),
        ("configs/base.py", True),
        ("conf/model/a.yaml", True),
        ("src/models/digits.py", False),
        ("src/models/configs.py", False),
        ("src/models/configs/x.py", False),
        ("configs.py", False),
        ("notebooks/look.ipynb", False),
        ("pyproject.toml", False),
        ("requirements.txt", False),
    ],
)
def test_documents_tests_and_config_values_leave_the_code_as_it_was(path: str, expected: bool) -> None:
    assert harmless(path, CONFIG) is expected


@pytest.mark.parametrize(
    ("datasets", "tier"),
    [
        ((), 3),
        ((DEV,), 2),
        ((FULL,), 3),
        ((FULL.model_copy(update={"records": 200}),), 2),
        ((FULL.model_copy(update={"records": 201}),), 3),
        ((FULL.model_copy(update={"records": 150}), FULL.model_copy(update={"records": 51})), 3),
        ((DEV.model_copy(update={"records": 5000}),), 2),
        ((DEV, FULL), 3),
        ((FULL.model_copy(update={"records": None}),), 3),
    ],
)
def test_the_tier_of_a_run_follows_from_its_datasets(datasets: Any, tier: int) -> None:
    assert natural_tier(datasets) == tier
