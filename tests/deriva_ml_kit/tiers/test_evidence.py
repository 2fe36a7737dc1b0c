"""What user code hands over is kept as it is, and its loops are cut short in a dry run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from itertools import count
from threading import Thread
from typing import Any

import numpy as np
import pytest

from deriva_ml_kit.tiers import Evidence, Records, evidence
from deriva_ml_kit.tiers.estimate import estimate
from deriva_ml_kit.tiers.evidence import recording, size_of


def test_a_dry_run_gets_one_epoch_of_two_batches_and_takes_no_third_from_the_loader() -> None:
    taken = []

    def loader() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    ev = Evidence(1, dry_run=True)
    seen = [batch for _ in ev.epochs(100) for batch in ev.batches(loader())]
    assert seen == taken == [0, 1]
    assert list(ev.batches("validation")) == ["v", "a"]  # each loop gets its two
    assert ev.recorded.epochs == 100
    assert len(ev.recorded.batches) == 4


def test_a_real_run_gets_everything() -> None:
    ev = Evidence(3)
    assert [batch for _ in ev.epochs(2) for batch in ev.batches(range(5))] == [*range(5), *range(5)]


def test_a_loop_that_is_left_early_still_counts_its_batch() -> None:
    ev = Evidence(2)
    for _ in ev.batches(range(9)):
        break
    assert len(ev.recorded.batches) == 1


def test_the_time_of_a_batch_is_that_of_loading_and_of_working_on_it() -> None:
    now = iter(range(0, 1000, 10))
    ev = Evidence(2, clock=lambda: float(next(now)))
    assert list(ev.batches([[1, 2, 3], [4]])) == [[1, 2, 3], [4]]
    assert [batch.seconds for batch in ev.recorded.batches] == [10, 10]
    assert [batch.records for batch in ev.recorded.batches] == [3, 1]
    assert ev.recorded.preparation == 10
    assert all(batch.peak_bytes is None or batch.peak_bytes > 1e6 for batch in ev.recorded.batches)


@pytest.mark.parametrize(
    ("batch", "size"),
    (
        (np.zeros((7, 3)), 7),
        ((np.zeros((7, 3)), np.zeros(7)), 7),
        ([np.zeros((7, 3)), np.zeros(7), ["a"] * 7], 7),
        ({"x": np.zeros((7, 3)), "y": None}, 7),
        ([np.zeros(64)] * 8, 8),
        (["a", "b", "c"], 3),
        ((np.zeros(3), np.zeros(4)), 2),
        (5, None),
        (object(), None),
        ({}, None),
    ),
)
def test_the_size_of_a_batch_is_its_number_of_records(batch: Any, size: int | None) -> None:
    assert size_of(batch) == size


def test_code_gets_the_evidence_of_its_run_and_outside_of_runs_one_that_only_records() -> None:
    ev = Evidence(3)
    with recording(ev) as inside:
        assert inside is evidence() is ev
        seen: list[Evidence] = []
        context = copy_context()
        thread = Thread(target=lambda: context.run(lambda: seen.append(evidence())))
        thread.start()
        thread.join()
        assert seen == [ev]
    alone = evidence()
    assert alone is not ev
    alone.data(Records([[1]], [2]))
    assert alone.max_batches is None
    assert not alone.dry_run


def test_the_run_is_over_after_an_error_too() -> None:
    ev = Evidence(3)
    with pytest.raises(ValueError, match="no"), recording(ev):
        raise ValueError("no")
    assert evidence() is not ev


def test_what_does_not_apply_needs_a_known_name_and_a_reason() -> None:
    ev = Evidence()
    with pytest.raises(ValueError, match="one of data, loss, trial"):
        ev.without("inputs_finite", "in the way")
    with pytest.raises(ValueError, match="say why"):
        ev.without("loss", " ")


def test_models_import_it_in_a_moment_and_without_any_framework() -> None:
    code = (
        "import sys, deriva_ml_kit.tiers\n"
        "heavy = {'pandas', 'scipy', 'sklearn', 'torch', 'pydantic', 'deriva', 'deriva_ml', 'hydra'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the estimate -----------------------------------------------------------------------------------------------------


def timed(seconds: list[float], size: int = 10) -> Evidence:
    """A dry run of 100 records whose batches took so long; it was prepared for 4 s, and evaluated for 2 s."""
    now = 0.0
    ev = Evidence(1, dry_run=True, max_batches=len(seconds), clock=lambda: now)
    ev.data(Records(np.zeros((100, 50)), np.zeros(100)))
    now = 4.0
    for took, _ in zip(seconds, ev.batches(np.zeros((len(seconds), size, 50))), strict=False):
        now += took
    now += 2.0
    ev.predictions([1.0], [1.0])
    return ev


def test_the_estimate_spans_the_truth_and_leaves_the_first_batch_out() -> None:
    made = estimate(
        timed([9.0, 0.5]),
        records={"this": 100, "tier 2": 100, "tier 3": 10_000},
        epochs=3,
        bag_bytes=1_000_000,
        output_bytes=50_000,
    )
    small, large = made.tiers
    assert (made.seconds_per_batch, made.warm_up, made.batch_size) == (0.5, 8.5, 10)
    assert small.seconds is not None and large.seconds is not None
    assert small.seconds.low <= 4 + 8.5 + 30 * 0.5 + 2 <= small.seconds.high
    assert large.seconds.low <= 4 + 8.5 + 3000 * 0.5 + 2 <= large.seconds.high
    assert large.disk is not None and large.disk.low <= 100e6 <= large.disk.high
    assert large.upload is not None and large.upload.low <= 50_000 and large.upload.high >= 5e6
    assert "2 batches of 10 records" in made.table()


def test_more_batches_make_a_narrower_estimate() -> None:
    spans = []
    for measured in ([1.0, 1.0], [1.0] * 20):
        cost = estimate(timed(measured), records={"this": 100}, epochs=10, bag_bytes=None, output_bytes=None).tiers[0]
        assert cost.seconds is not None
        spans.append(cost.seconds.high / cost.seconds.low)
    assert spans[1] < spans[0]


def test_what_was_not_measured_is_not_estimated() -> None:
    made = estimate(Evidence(1), records={}, epochs=None, bag_bytes=None, output_bytes=None)
    assert {cost.seconds for cost in made.tiers} == {cost.disk for cost in made.tiers} == {None}
    assert "not known" in made.table()
