"""Every case in which a known drift library answers wrongly, and what ours answers.

The comments say what Evidently 0.7.23 (E) and NannyML 0.13.1 (N) make of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from deriva_ml_kit.numerics.drift import Comparison, DriftReport, compare, profile, statistics

N = 20_000
RANDOM = np.random.default_rng(11)
REFERENCE, SHIFTED = RANDOM.normal(size=N), RANDOM.normal(1, 1, N)


def run(before: object, after: object, **arguments: object) -> DriftReport:
    return compare(profile(pd.DataFrame({"x": before})), pd.DataFrame({"x": after}), **arguments)


def against(before: object, after: object) -> Comparison:
    found = run(before, after).columns[0].training
    assert found is not None
    return found


def test_a_shift_of_one_standard_deviation() -> None:
    report = run(REFERENCE, SHIFTED)

    found = report.columns[0].training
    assert report.verdict == "drift"
    assert report.exit_code == 1
    assert found.psi == pytest.approx(0.95, abs=0.1)
    assert found.ks == pytest.approx(0.383, abs=0.015)  # 2 Phi(1/2) - 1


def test_one_outlier_in_the_batch_changes_nothing() -> None:  # E: PSI .994 -> .022, no drift
    with_outlier = against(REFERENCE, np.append(SHIFTED, 1e6))

    assert with_outlier.psi == pytest.approx(against(REFERENCE, SHIFTED).psi, abs=0.001)


def test_one_outlier_in_the_baseline_changes_nothing() -> None:  # E: .022; N: KS .378 -> .00005
    plain, with_outlier = against(REFERENCE, SHIFTED), against(np.append(REFERENCE, 1e6), SHIFTED)

    assert with_outlier.psi == pytest.approx(plain.psi, abs=0.001)
    assert with_outlier.ks == pytest.approx(plain.ks, abs=0.001)


def test_half_of_the_values_missing_is_drift() -> None:  # E: PSI .002, blind
    report = run(REFERENCE, np.where(RANDOM.random(N) < 0.5, np.nan, RANDOM.normal(size=N)))

    found = report.columns[0].training
    assert report.verdict == "drift"
    assert found.psi > 4
    assert (found.reference_null_rate, found.null_rate) == (0, pytest.approx(0.5, abs=0.02))
    assert found.ks < 0.03


def test_chi_squared_of_equal_distributions_alarms_as_often_as_it_says() -> None:  # E: 43 %
    random, runs = np.random.default_rng(5), 1000
    hits = sum(statistics.chi_squared(*random.multinomial(500, [1 / 8] * 8, size=2)).p < 0.05 for _ in range(runs))

    assert 0.03 <= hits / runs <= 0.07


def test_one_row_of_an_unseen_level_is_named_and_is_no_drift() -> None:  # E: p = 0.0, drift
    levels = np.array(list("abcd"), dtype=object)
    before, after = levels[RANDOM.integers(0, 4, 10_000)], levels[RANDOM.integers(0, 4, 10_000)]
    after[0] = "never"

    report = run(before, after)

    assert report.verdict == "ok"
    assert report.columns[0].training.unseen == ("never",)
    assert report.columns[0].training.psi < 0.01
    assert report.columns[0].training.chi2_p > 0.01


def test_a_constant_column_is_called_constant() -> None:  # E: p = nan
    for value in (3.0, "only", True):
        frame = pd.DataFrame({"x": [value] * 500, "y": RANDOM.normal(size=500)})

        report = compare(profile(frame), frame)

        column = report.columns[0]
        assert (column.status, report.verdict) == ("constant", "ok")
        assert (column.training.psi, column.training.psi_p, column.training.chi2, column.training.chi2_p) == (
            0,
            1,
            0,
            1,
        )


def test_bins_are_honoured_and_kept_in_the_profile() -> None:  # E: n_bins ignored
    found = compare(profile(pd.DataFrame({"x": REFERENCE}), bins=4), pd.DataFrame({"x": SHIFTED})).columns[0].training

    assert len(found.cells) == 4


def test_an_empty_cell_is_treated_the_same_on_both_sides() -> None:  # E: 1e-4 or min / 1e6
    forth, back = against(["a"] * 500 + ["b"] * 500, ["a"] * 1000), against(["a"] * 1000, ["a"] * 500 + ["b"] * 500)

    assert forth.psi == pytest.approx(back.psi, abs=1e-12)
    assert forth.smoothed
    assert not against(REFERENCE, SHIFTED).smoothed


@pytest.mark.parametrize("size", [50, 100, 200])
def test_small_batches_without_drift_are_insufficient_not_alarms(size: int) -> None:  # E: PSI > .1 in 100/83/33 %
    frame = pd.DataFrame({f"x{k}": RANDOM.normal(size=N) for k in range(5)})
    small = pd.DataFrame({f"x{k}": RANDOM.normal(size=size) for k in range(5)})

    report = compare(profile(frame), small)

    assert (report.verdict, report.exit_code) == ("insufficient", 2)
    assert "needs 217" in report.columns[0].reason


def test_a_batch_of_a_thousand_rows_without_drift_is_ok() -> None:
    frame = pd.DataFrame({f"x{k}": RANDOM.normal(size=N) for k in range(5)})

    assert compare(profile(frame), pd.DataFrame(RANDOM.normal(size=(1000, 5)), columns=frame.columns)).verdict == "ok"


@pytest.mark.parametrize("seed", range(4))
def test_halves_of_one_dataset_do_not_differ_and_every_shifted_feature_is_found(seed: int) -> None:  # E: 11 of 30
    data = load_breast_cancer(as_frame=True).data.sample(frac=1, random_state=seed)
    before, after = data.iloc[:284], data.iloc[284:]
    shifted = after.copy()
    shifted.iloc[:, ::3] += 0.5 * data.iloc[:, ::3].std()
    baseline = profile(before)

    same, moved = compare(baseline, after), compare(baseline, shifted)

    assert same.verdict == "ok"
    found = {column.name for column in moved.with_status("investigate", "drift")}
    assert found >= set(data.columns[::3])


def test_a_batch_of_nulls_alone_is_no_data() -> None:  # N: nan, alert=False
    report = run(REFERENCE, [np.nan] * 500)

    assert (report.verdict, report.exit_code) == ("no_data", 2)
    assert report.columns[0].status == "no_data"


def test_an_empty_batch_is_no_data() -> None:
    report = run(REFERENCE, [])

    assert (report.verdict, report.exit_code) == ("no_data", 2)


def test_infinite_values_have_cells_of_their_own() -> None:  # E: dropped
    values = RANDOM.normal(size=N)
    values[:4000], values[4000] = np.inf, -np.inf

    found = against(REFERENCE, values)

    assert found.infinite == 4001
    assert {cell.label: cell.current for cell in found.cells if "inf" in cell.label} == {"-inf": 1, "+inf": 4000}
    assert run(REFERENCE, values).verdict == "drift"


def test_another_constant_is_drift() -> None:
    assert run([1.0] * 500, [2.0] * 500).verdict == "drift"
    assert against([1.0] * 500, [2.0] * 500).unseen == ("2",)


def test_many_columns_are_adjusted_for_and_both_p_are_shown() -> None:  # E, N: no correction
    names = [f"x{k}" for k in range(60)]
    before, after = (pd.DataFrame(RANDOM.normal(size=(3000, 60)), columns=names) for _ in range(2))

    report = compare(profile(before), after)

    raw = [column.training.psi_p for column in report.columns]
    assert min(raw) < 0.05
    assert [column.training.psi_p_adjusted for column in report.columns] == statistics.adjusted(raw)
    assert report.verdict == "ok"


def test_a_value_that_was_rare_and_is_frequent_now_is_seen_beside_a_large_cell() -> None:
    before = np.concatenate([np.zeros(600_000), RANDOM.lognormal(size=400_000), [-1.0, -2.0, -3.0]])
    after = np.concatenate([np.zeros(300), -RANDOM.random(300), RANDOM.lognormal(size=400)])

    assert run(before, after).verdict == "drift"


def test_values_beyond_a_limit_at_which_many_stood_are_seen() -> None:
    before, after = np.minimum(REFERENCE, 0.5), np.where(SHIFTED < 0.5, REFERENCE, 0.5)
    beyond = np.where(np.arange(N) % 2, before, before + 0.001 * (before == 0.5))

    assert {cell.label: cell.current for cell in against(before, beyond).cells}["> 0.5"] > 2000
    assert run(before, beyond).verdict == "drift"
    assert run(before, after).verdict == "drift"


def test_nulls_that_a_large_baseline_never_had_are_seen_in_a_small_batch() -> None:
    report = run(RANDOM.normal(size=1_000_000), [*RANDOM.normal(size=500), *[np.nan] * 500])

    assert report.verdict == "drift"
