"""The same data through Evidently, NannyML and SciPy, once, in an environment of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from deriva_ml_kit.numerics.drift import compare, estimated_accuracy, profile

GOLDEN = json.loads((Path(__file__).parents[3] / "data" / "ops" / "drift_breast_cancer.json").read_text())
DATA = load_breast_cancer(as_frame=True).frame
FRAME = DATA.assign(size=pd.cut(DATA["mean radius"], [0, 11, 13, 15, 18, 99], labels=list("abcde")).astype(str))
REPORT = {column.name: column.training for column in compare(profile(FRAME.iloc[::2]), FRAME.iloc[1::2]).columns}


@pytest.mark.parametrize("column", ["size", "target"])
def test_psi_of_categories_is_evidentlys(column: str) -> None:
    assert REPORT[column].psi == pytest.approx(GOLDEN["evidently"][f"psi_{column}"], abs=1e-12)


@pytest.mark.parametrize("library", ["nannyml", "scipy"])
def test_distances_are_those_of_nannyml_and_scipy(library: str) -> None:
    for name, distance in GOLDEN[library]["ks"].items():
        assert REPORT[name].ks == pytest.approx(distance, abs=1e-12), name


def test_p_of_distances_and_their_adjustment_are_scipys() -> None:
    for name, p in GOLDEN["scipy"]["ks_p"].items():
        assert REPORT[name].ks_p == pytest.approx(p, abs=1e-6), name
    only = compare(profile(DATA.drop(columns="target").iloc[::2]), DATA.iloc[1::2])
    for column in only.columns:
        assert column.training.ks_p_adjusted == pytest.approx(GOLDEN["scipy"]["adjusted_ks_p"][column.name], abs=1e-6)


def test_chi_squared_is_nannymls_and_scipys() -> None:
    found = REPORT["size"]

    assert found.chi2 == pytest.approx(GOLDEN["nannyml"]["chi2_size"], rel=1e-12)
    assert found.chi2 == pytest.approx(GOLDEN["scipy"]["chi2_size"], rel=1e-12)
    assert found.chi2_p == pytest.approx(GOLDEN["scipy"]["chi2_p_size"], rel=1e-12)


def test_estimated_accuracy_is_nannymls() -> None:
    p = 1 / (1 + np.exp((DATA["worst radius"].to_numpy() - 16) / 1.2))

    for predictions, name in ((None, "estimated_accuracy"), ((p >= 0.9).astype(int), "estimated_accuracy_from_0.9")):
        assert estimated_accuracy(p, predictions).estimate == pytest.approx(GOLDEN["nannyml"][name], abs=1e-12)
