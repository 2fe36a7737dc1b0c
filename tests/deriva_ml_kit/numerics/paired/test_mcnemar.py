from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference

from deriva_ml_kit.numerics.paired.mcnemar import clustered_mcnemar, mcnemar

GOLDEN = json.loads((Path(__file__).parents[3] / "data/ops/paired.json").read_text())
COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS)
def test_it_is_that_of_statsmodels(one: int, other: int) -> None:
    table = [[10, one], [other, 10]]
    assert mcnemar(one, other, "exact") == pytest.approx(reference(table, exact=True).pvalue, abs=1e-10)
    if one + other:
        for method, correction in (("chi-squared", False), ("corrected", True)):
            theirs = reference(table, exact=False, correction=correction).pvalue
            assert mcnemar(one, other, method) == pytest.approx(theirs, abs=1e-10)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", GOLDEN["mcnemar"], ids=lambda case: case["data"])
def test_published_values(case: dict[str, object]) -> None:
    for method, published in case["p"].items():  # type: ignore[attr-defined]
        found = mcnemar(case["only_one"], case["only_other"], method)  # type: ignore[arg-type]
        assert round(found, 3) == published


@given(COUNTS, COUNTS)
def test_the_mid_p_value_lies_below_the_exact_one(one: int, other: int) -> None:
    assert 0 < mcnemar(one, other) <= mcnemar(one, other, "exact") <= 1
    assert mcnemar(one, other) == mcnemar(other, one)


def test_records_alone_are_groups_of_one() -> None:
    differences = np.r_[np.ones(14), -np.ones(5), np.zeros(81)]
    assert clustered_mcnemar(differences) == pytest.approx(mcnemar(14, 5, "chi-squared"), abs=1e-12)


def test_records_that_repeat_each_other_prove_nothing_more() -> None:
    differences = np.r_[np.ones(14), -np.ones(5)]
    assert clustered_mcnemar(3 * differences) == pytest.approx(clustered_mcnemar(differences), abs=1e-12)


def test_models_that_agree_do_not_differ() -> None:
    assert mcnemar(5, 5, "exact") == 1.0
    assert mcnemar(0, 0) == mcnemar(0, 0, "chi-squared") == clustered_mcnemar(np.zeros(7)) == 1.0


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        mcnemar(-1, 3)
