from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.ops.features.transform import (
    Skew,
    assert_alone_is_among_others,
    assert_same_features,
    load_transform,
)
from deriva_ml_kit.ops.golden import versions

GOOD = "def features(raw):\n    return raw[['a']].assign(b=raw['a'] * 2)\n"
RAW = pd.DataFrame({"a": [1.0, 2.0, np.nan]})


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "features.py"
    file.write_text(text)
    return file


def test_a_module_is_versioned_by_its_content(tmp_path: Path) -> None:
    transform = load_transform(written(tmp_path, GOOD))
    assert transform(RAW)["b"].tolist()[:2] == [2.0, 4.0]
    transform.require(transform.sha256)
    changed = load_transform(written(tmp_path, GOOD.replace("* 2", "* 3")))
    with pytest.raises(UsageError, match=transform.sha256):
        changed.require(transform.sha256)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def features(raw):\n    return raw.dropna()\n", "2 rows to 3"),
        ("def features(raw):\n    return raw[::-1]\n", "another order"),
        ("def features(raw):\n    raw['a'] = 0\n    return raw\n", "changes the records"),
    ],
)
def test_a_transform_gives_a_row_for_each_record_and_leaves_them_alone(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(KitError, match=told):
        load_transform(written(tmp_path, text))(RAW.copy())


@pytest.mark.parametrize(("text", "told"), [("x = 1", "no function"), ("import nonsens", "nonsens"), (None, "no Py")])
def test_what_is_no_such_module_is_refused(tmp_path: Path, text: str | None, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_transform(tmp_path / "none.py" if text is None else written(tmp_path, text))


FEATURES = pd.DataFrame({"x": [1.0, np.nan, 3.0], "y": ["a", None, "c"], "n": pd.array([1, 2, None], dtype="Int64")})


def test_the_same_features_pass_whatever_holds_them() -> None:
    assert_same_features(FEATURES, FEATURES.copy())
    assert_same_features(FEATURES, FEATURES.astype({"x": "Float64", "n": "float64", "y": object}))
    assert_same_features(FEATURES, FEATURES.assign(x=FEATURES["x"] + 1e-8))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f.assign(x=[1.0, np.nan, 3.1]), "1 of 3 rows differ, by up to 0.1; row 2: was"),
        (lambda f: f.assign(x=f["x"].fillna(0)), "row 1: was"),
        (lambda f: f.assign(y=["a", "", "c"]), "column y: 1 of 3 rows differ"),
        (lambda f: f.assign(n=["1", "2", None]), "was Int64"),
        (lambda f: f[["y", "x", "n"]], "another order"),
        (lambda f: f.drop(columns="y"), "column y: there is such a feature only in training"),
        (lambda f: f[:2], "3 rows in training, 2 now"),
    ],
)
def test_features_that_differ_are_told(change: Any, told: str) -> None:
    with pytest.raises(Skew, match=told):
        assert_same_features(FEATURES, change(FEATURES))


def test_libraries_that_differ_are_named_with_the_skew() -> None:
    then = {**versions(), "numpy": "1.26.4", "gone": "1.0"}
    with pytest.raises(Skew) as skew:
        assert_same_features(FEATURES, FEATURES.assign(x=0.0), then=then)
    assert skew.value.libraries == {"numpy": ("1.26.4", versions()["numpy"]), "gone": ("1.0", None)}
    assert "numpy 1.26.4 -> " in str(skew.value)


def test_features_that_depend_on_the_rest_of_a_batch_are_found(tmp_path: Path) -> None:
    raw = pd.DataFrame({"a": np.arange(10.0)})
    assert assert_alone_is_among_others(load_transform(written(tmp_path, GOOD)), raw, count=4) == 4
    centred = "def features(raw):\n    return raw - raw.mean()\n"
    with pytest.raises(Skew, match="column a: 10 of 10 rows differ"):
        assert_alone_is_among_others(load_transform(written(tmp_path, centred)), raw)
    assert assert_alone_is_among_others(load_transform(written(tmp_path, GOOD)), raw[:0]) == 0


def test_the_template_makes_features_of_any_records() -> None:
    template = Path(__file__).parents[4] / "skills/ml-ops/scripts/features.py"
    raw = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, None]})
    assert list(load_transform(template)(raw).columns) == ["a", "c"]
