"""Each fault is found by the checks that are meant for it, and healthy runs pass them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults_of_arrays import FAULTS, Experiment, experiment, play

from deriva_ml_kit.tiers.checks import checks, profile, training
from deriva_ml_kit.tiers.evidence import Evidence, Records
from deriva_ml_kit.tiers.receipt import Check, Status, verdict

SEEDS = range(2)  # all faults were found in 5 of 5; 50 healthy seeds of each data set and model were free of failures


def ranges(e: Experiment) -> dict[str, Any]:
    """What tier 1 records of an experiment."""
    ev = Evidence(1)
    ev.data(Records(e.x, e.y))
    return profile(ev)


def judged(ev: Evidence, baseline: Mapping[str, Any] | None = None, folder: Path | None = None) -> dict[str, Check]:
    found = checks(ev, baseline=baseline, find=None if folder is None else folder.joinpath)
    return {check.id: check for check in found}


def failed(found: Mapping[str, Check]) -> set[str]:
    return {name for name, check in found.items() if check.status is Status.FAIL}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_the_checks_meant_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EPOCHS", (30, 100))  # what cannot learn is tried for longest
    fault = FAULTS[name]
    for seed in SEEDS:
        healthy = experiment("digits", seed)
        baseline = ranges(healthy) if fault.tier > 1 else None
        found = judged(play(fault.put(healthy), fault.tier), baseline)
        assert failed(found) & set(fault.checks), f"seed {seed}"
        assert all(found[check].remedy for check in failed(found))


@pytest.mark.parametrize("kind", ("mlp", "forest", "linear"))
@pytest.mark.parametrize("data", ("digits", "iris", "breast_cancer", "wine", "diabetes"))
def test_a_healthy_run_passes_every_tier(data: str, kind: str, tmp_path: Path) -> None:
    for seed in SEEDS if data == "digits" else (0,):
        e = experiment(data, seed, records=150 if data == "iris" else 200)
        first = judged(play(e, 1, kind, tmp_path), None, tmp_path)
        small = judged(play(e, 2, kind, tmp_path), ranges(e), tmp_path)
        for found in (first, small):
            assert failed(found) == set()
            assert verdict(found.values()) is Status.PASS
        if kind == "mlp":
            assert {name for name, check in small.items() if check.status is not Status.PASS} <= {
                "labels_known", "classes_complete", "predictions_known"  # a regression has no classes
            }  # fmt: skip


def test_three_epochs_on_a_small_dataset_are_enough_where_batches_are_small(tmp_path: Path) -> None:
    e = replace(experiment("digits", 0, records=100), epochs=3)
    found = judged(play(e, 2, folder=tmp_path), ranges(e), tmp_path)
    assert verdict(found.values()) is Status.PASS


def test_two_batches_are_asked_no_more_than_they_can_answer() -> None:
    first = judged(play(experiment(), 1))
    assert not {"loss_fell", "overfits", "repeatable", "classes_complete", "beats_guess", "predictions_vary"} & set(
        first
    )
    assert first["input_ranges"].status is Status.PASS  # validation against training


# -- what is not handed over ------------------------------------------------------------------------------------------


def test_nothing_handed_over_is_undecided_with_a_remedy_for_every_check() -> None:
    found = judged(Evidence(2))
    assert {check.status for check in found.values()} == {Status.INSUFFICIENT}
    assert all(check.remedy and check.detail for check in found.values())
    assert verdict(found.values()) is Status.INSUFFICIENT


def test_what_does_not_apply_is_skipped_with_the_reason_given() -> None:
    ev = play(experiment(), 2, "forest")
    for what in ("loss", "reload"):
        ev.without(what, f"no {what} here")
    found = judged(ev, ranges(experiment()))
    assert found["loss_fell"].status is found["loss_finite"].status is found["reload"].status is Status.SKIP
    assert found["loss_fell"].detail == "no loss here"


def test_a_reason_excuses_nothing_that_was_found_wrong() -> None:
    e = FAULTS["one NaN"].put(experiment())
    ev = play(e, 2)
    ev.without("loss", "none")
    ev.loss(float("nan"))
    found = judged(ev)
    assert {"loss_finite", "inputs_finite"} <= failed(found)


@pytest.mark.parametrize("what", ["rids", "groups"])
def test_records_on_both_sides_are_found_whatever_reason_is_given(what: str) -> None:
    x = np.arange(12.0).reshape(6, 2)
    ev = Evidence(1)
    ev.data(Records(x, [0, 1] * 3, **{what: list("abcdef")}), Records(x, [0, 1] * 3, **{what: list("fghijk")}))
    ev.without(what, "nobody knows them")
    assert judged(ev)[f"disjoint_{what}"].status is Status.FAIL


def test_a_model_that_takes_missing_values_may_say_so() -> None:
    ev = Evidence(1)
    x = np.random.default_rng(0).normal(size=(50, 4))
    x[3, 2] = np.nan
    ev.data(Records(x, np.arange(50) % 2))
    assert judged(ev)["inputs_finite"].status is Status.FAIL
    ev.without("missing", "gradient boosting takes them")
    assert judged(ev)["inputs_finite"].status is Status.PASS
    x[4, 1] = np.inf
    assert judged(ev)["inputs_finite"].status is Status.FAIL


def test_a_tier_without_the_ranges_of_tier_1_is_undecided() -> None:
    found = judged(play(experiment(), 2))
    assert found["input_ranges"].status is Status.INSUFFICIENT
    assert found["input_ranges"].required


# -- single rules -----------------------------------------------------------------------------------------------------


def outcome(right: int, of: int, majority: int) -> Check:
    """A classifier with so many right answers, where the commonest of two classes has `majority` records."""
    truth = np.array(["cat"] * majority + ["dog"] * (of - majority))
    other = np.where(truth == "cat", "dog", "cat")
    ev = Evidence(2)
    ev.data(Records(np.eye(of), truth), classes=["cat", "dog"])
    ev.predictions(truth, np.where(np.arange(of) < right, truth, other))
    return judged(ev)["beats_guess"]


@pytest.mark.parametrize(
    ("right", "of", "majority", "status"),
    (
        (38, 40, 24, Status.PASS),
        (24, 40, 24, Status.FAIL),
        (3, 40, 24, Status.FAIL),
        (9, 10, 5, Status.INSUFFICIENT),  # p = .011: far too good to be called failed
        (10, 10, 5, Status.PASS),
        (690, 1000, 680, Status.FAIL),  # hardly more than to say "cat" always
        (40, 40, 40, Status.INSUFFICIENT),  # one class only
    ),
)
def test_better_than_the_majority_is_an_exact_test(right: int, of: int, majority: int, status: Status) -> None:
    assert outcome(right, of, majority).status is status


@pytest.mark.parametrize(
    ("targets", "classes"),
    (
        (np.array([0, 1, 2] * 10), ["ant", "bee", "cat"]),  # positions, as frameworks number classes
        (np.array(["ant", "bee", "cat"] * 10, dtype=object), ["ant", "bee", "cat"]),
        (np.array([0.0, 1.0, 2.0] * 10), [0, 1, 2]),
        (np.array([b"ant", b"bee", b"cat"] * 10), ["ant", "bee", "cat"]),
        (np.array(["0", "1", "2"] * 10), range(3)),
    ),
)
def test_labels_are_compared_as_terms(targets: np.ndarray, classes: Sequence[Any]) -> None:
    ev = Evidence(2)
    ev.data(Records(np.eye(30), targets), classes=classes)
    ev.predictions(targets, targets)
    found = judged(ev)
    for check in ("labels_known", "classes_complete", "predictions_known"):
        assert found[check].status is Status.PASS, found[check]
    ev.data(Records(np.eye(30), targets), classes=[*classes, "a fourth"])
    assert "classes_complete" in failed(judged(ev))


def test_scores_of_all_classes_are_predictions_of_the_best_one() -> None:
    truth = np.array([0, 1, 2] * 20)
    ev = Evidence(2)
    ev.data(Records(np.eye(60), truth), classes=["ant", "bee", "cat"])
    ev.predictions(truth[:30], np.eye(3)[truth[:30]] * 9.0)
    ev.predictions(truth[30:], np.eye(3)[truth[30:]] * 9.0)
    found = judged(ev)
    assert found["beats_guess"].value["right"] == 60
    assert found["predictions_known"].status is Status.PASS


def test_targets_of_one_column_a_class_are_that_class() -> None:
    truth = np.eye(3, dtype=int)[np.array([0, 1, 2] * 20)]
    ev = Evidence(2)
    ev.data(Records(np.eye(60), truth), classes=["ant", "bee", "cat"])
    ev.predictions(truth, truth * 0.8)
    ev.trial(lambda rows, epochs: ([0.1], truth[rows] * 0.8))
    found = judged(ev)
    for check in ("labels_known", "classes_complete", "beats_guess", "overfits", "predictions_vary"):
        assert found[check].status is Status.PASS, found[check]


def test_targets_of_several_values_are_not_judged_as_classes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (60, 3))
    ev = Evidence(2)
    ev.data(Records(rng.normal(size=(60, 4)), truth), classes=["ant", "bee", "cat"])
    ev.predictions(truth, truth)
    ev.trial(lambda rows, epochs: ([0.1], truth[rows]))
    found = judged(ev)
    assert found["beats_guess"].status is found["classes_complete"].status is Status.SKIP
    assert found["overfits"].status is found["predictions_vary"].status is Status.PASS


def lopsided(hits: int, false_alarms: int, rare: int, count: int) -> Status:
    truth = np.array(["ill"] * rare + ["well"] * (count - rare))
    predicted = np.where(np.arange(count) < hits, "ill", "well")
    predicted[count - false_alarms :] = "ill"
    ev = Evidence(3)
    ev.data(Records(np.eye(count), truth), classes=["ill", "well"])
    ev.predictions(truth, predicted)
    return judged(ev)["beats_guess"].status


def test_where_one_class_is_nearly_everything_it_is_enough_to_tell_it_from_the_others() -> None:
    assert lopsided(hits=30, false_alarms=35, rare=50, count=1000) is Status.PASS  # right less often than "well" always
    assert lopsided(hits=2, false_alarms=60, rare=50, count=1000) is Status.FAIL
    assert lopsided(hits=0, false_alarms=0, rare=50, count=1000) is Status.FAIL
    assert lopsided(hits=1, false_alarms=0, rare=2, count=40) is Status.INSUFFICIENT


def test_a_record_without_label_is_a_fault() -> None:
    ev = Evidence(1)
    ev.data(Records(np.eye(4), np.array(["cat", None, "dog", float("nan")], dtype=object)), classes=["cat", "dog"])
    assert judged(ev)["labels_known"].value["without label in training"] == 2


def test_predictions_of_training_records_are_no_validation() -> None:
    e = experiment()
    ev = Evidence(2)
    ev.data(Records(e.x, e.y, e.rids), Records(e.x_val, e.y_val, e.rids_val), classes=e.classes)
    ev.predictions(e.y, e.y, rids=e.rids)
    assert "disjoint_rids" in failed(judged(ev))


def test_as_many_targets_as_inputs() -> None:
    ev = Evidence(1)
    ev.data(Records(np.eye(10), np.arange(9) % 2), classes=[0, 1])
    check = judged(ev)["shapes"]
    assert check.status is Status.FAIL
    assert check.value == {"inputs": 10, "targets": 9}


def oracle(x: np.ndarray, y: np.ndarray) -> Status:
    ev = Evidence(1)
    ev.data(Records(x, y), classes=None if y.dtype.kind == "f" else sorted(set(y.tolist())))
    return judged(ev)["no_oracle"].status


def test_arrays_of_the_work_are_left_as_they_are() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)
    x[0, 0] = np.nan
    before = x.copy()
    oracle(x, y)
    np.testing.assert_array_equal(x, before)
    x.flags.writeable = False  # as those of pandas are
    assert oracle(x, y) is Status.PASS


def test_an_oracle_is_found_whatever_its_scale_and_a_good_measurement_is_none() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(200, 5))
    for classes in (2, 3, 5):
        y = rng.integers(0, classes, 200)
        assert oracle(noise, y) is Status.PASS
        for hint in (y, y * 1e6, -y / 7, y + rng.normal(scale=0.01, size=200), np.where(np.arange(200) == 3, 0, y)):
            assert oracle(np.column_stack([noise, hint]), y) is Status.FAIL
        one_each = np.eye(classes)[y]
        assert oracle(np.column_stack([noise, one_each]), y) is Status.FAIL
    # A measurement that tells two classes apart without a mistake, as the petals of Iris setosa do.
    y = rng.integers(0, 2, 200)
    assert oracle(np.column_stack([noise, y * 6 + rng.normal(scale=0.8, size=200)]), y) is Status.PASS
    # The number of a record, where records were stored class by class.
    assert oracle(np.column_stack([noise, np.arange(200)]), np.repeat(np.arange(5), 40)) is Status.FAIL
    target = rng.normal(size=200)
    assert oracle(np.column_stack([noise, target * 3 + 1]), target) is Status.FAIL
    assert oracle(np.column_stack([noise, target + noise[:, 0]]), target) is Status.PASS


def test_few_records_are_not_enough_to_find_an_oracle() -> None:
    rng = np.random.default_rng(0)
    assert oracle(rng.integers(0, 2, (8, 500)).astype(float), np.arange(8) % 2) is Status.INSUFFICIENT


def test_the_range_of_every_column_counts() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 6)) * [1, 10, 100, 1e-3, 1, 1]
    ev = Evidence(1)
    ev.data(Records(x, np.arange(100) % 2))
    baseline = profile(ev)
    for column, factor in ((3, 1e3), (1, 0.01)):
        other = x.copy()
        other[:, column] *= factor
        ev = Evidence(2)
        ev.data(Records(other, np.arange(100) % 2))
        check = judged(ev, baseline)["input_ranges"]
        assert check.status is Status.FAIL
        assert f"column {column}" in str(check.detail)


def test_text_has_no_ranges_and_may_be_learnt_from() -> None:
    x = np.array([f"word {row}" for row in range(60)])
    y = np.arange(60) % 2
    ev = Evidence(1)
    ev.data(Records(x, y), classes=[0, 1])
    found = judged(ev, profile(ev))
    for check in ("inputs_finite", "input_ranges", "no_oracle"):
        assert found[check].status is Status.SKIP
    assert found["shapes"].status is found["inputs_vary"].status is Status.PASS


@pytest.mark.parametrize("baseline", ({"inputs": {}}, {"inputs": {"shape": [64]}}, {"inputs": None}, {}))
def test_a_profile_without_ranges_is_no_baseline(baseline: dict[str, Any]) -> None:
    assert judged(play(experiment(), 2), baseline)["input_ranges"].status is Status.INSUFFICIENT


def trial(losses: Sequence[Sequence[float]], right: bool = True) -> dict[str, Check]:
    """A trial that gives one list of losses after the other."""
    y = np.arange(50) % 2
    ev = Evidence(2)
    ev.data(Records(np.eye(50), y), classes=[0, 1])
    given = iter(losses)
    ev.trial(lambda rows, epochs: (next(given), y[rows] if right else 1 - y[rows]))
    return judged(ev)


def test_the_same_seed_gives_the_same_losses() -> None:
    assert trial([[0.1], [2.3, 1.1], [2.3, 1.1]])["repeatable"].status is Status.PASS
    assert trial([[0.1], [2.3, 1.1], [2.3, 1.2]])["repeatable"].status is Status.FAIL
    assert trial([[0.1], [float("nan")], [float("nan")]])["repeatable"].status is Status.FAIL
    assert trial([[], [], []])["repeatable"].status is Status.INSUFFICIENT  # right by heart, which any seed gives


def test_a_trial_that_ends_in_an_error_fails_and_says_which() -> None:
    found = trial([])
    assert {"overfits", "repeatable"} <= failed(found)
    assert "StopIteration" in str(found["overfits"].detail)


def test_a_model_without_steps_need_not_learn_by_heart() -> None:
    assert trial([[]] * 9, right=False)["overfits"].status is Status.INSUFFICIENT
    assert trial([[0.1]] * 9, right=False)["overfits"].status is Status.FAIL


def test_a_trial_that_would_take_too_long_is_left_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS", 0.0)
    check = trial([[0.1]] * 9, right=False)["overfits"]
    assert check.status is Status.INSUFFICIENT
    assert "in 30 epochs" in str(check.detail)


@pytest.mark.parametrize(
    ("losses", "status"),
    (
        (np.linspace(2.3, 0.1, 100), Status.PASS),
        (np.full(100, 2.3), Status.FAIL),
        (np.linspace(2.3, 2.2, 100), Status.FAIL),
        (np.linspace(2.3, 2.0, 9), Status.INSUFFICIENT),  # on its way, after three epochs of three batches
        ([2.3], Status.INSUFFICIENT),
        ([2.3, float("nan")], Status.FAIL),
        (np.linspace(-1, -3, 100), Status.PASS),  # a likelihood
    ),
)
def test_the_loss_falls_by_a_fifth(losses: Sequence[float], status: Status) -> None:
    ev = Evidence(2)
    for loss in losses:
        ev.loss(loss)
    assert judged(ev)["loss_fell"].status is status


def test_a_file_that_holds_another_model_is_found(tmp_path: Path) -> None:
    e = experiment()
    for shift, status in ((0, Status.PASS), (1, Status.FAIL)):
        ev = Evidence(1)
        ev.data(Records(e.x, e.y), classes=e.classes)
        ev.predictions(e.y_val, e.y_val)
        ev.reload("model", lambda path, shift=shift: lambda x: np.roll(e.y_val, shift)[: len(x)], e.x_val[:9])
        assert judged(ev, None, tmp_path)["reload"].status is status
    ev.reload("model", lambda path: path.read_text, e.x_val[:9])
    assert judged(ev, None, tmp_path)["reload"].status is Status.FAIL
    assert judged(ev)["reload"].status is Status.INSUFFICIENT  # no files at hand


class Tensor:
    """Looks like a tensor of a framework: numpy must not be asked before it is detached and on the host."""

    def __init__(self, values: Any, *, graph: bool = True, device: bool = True) -> None:
        self._values, self._graph, self._device = np.asarray(values), graph, device

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("call detach().cpu().numpy()")

    def detach(self) -> Tensor:
        return Tensor(self._values, graph=False, device=self._device)

    def cpu(self) -> Tensor:
        return Tensor(self._values, graph=self._graph, device=False)

    def numpy(self) -> np.ndarray:
        if self._graph or self._device:
            raise RuntimeError("in a graph, or on a device")
        return self._values

    def __float__(self) -> float:
        return float(self._values)


def test_tensors_are_read_as_arrays_are() -> None:
    e = experiment()
    assert e.classes is not None
    index = {name: number for number, name in enumerate(e.classes)}
    y, y_val = (np.array([index[name] for name in part]) for part in (e.y, e.y_val))
    plain, tensors = Evidence(1), Evidence(1)
    for ev, kind in ((plain, np.asarray), (tensors, Tensor)):
        ev.data(Records(kind(e.x), kind(y), e.rids), Records(kind(e.x_val), kind(y_val), e.rids_val), classes=e.classes)
        ev.loss(kind(0.5))
        ev.predictions(kind(y_val), kind(np.eye(10)[y_val]))
    assert judged(plain) == judged(tensors)
    assert failed(judged(tensors)) == set()
    assert profile(plain) == profile(tensors)
