"""Gates: exactness of the paired tests, how often equal models pass and better ones do, and gates judged again."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.metrics import balanced_accuracy_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import proportion_confint

from deriva_ml_kit.numerics.paired import shares
from deriva_ml_kit.numerics.paired.compare import compare
from deriva_ml_kit.numerics.paired.mcnemar import mcnemar
from deriva_ml_kit.numerics.paired.metrics import METRICS, Answers
from deriva_ml_kit.numerics.paired.resampling import Groups, bootstrap

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2] / "tests" / "support")]

from ops_bench.goal import Goal, seconds, wilson  # noqa: E402  (this file is a program, too)

ALPHA = 0.05
CLASSES = ("a", "b")
LABELS = np.array(CLASSES, dtype=object)
METRICS_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "log_loss")


def goals(quick: bool) -> Iterator[Goal]:
    """See the module."""
    yield _exact(quick)
    yield from _equal_models(quick)
    yield from _better_models(quick)
    yield from _margin(quick)
    yield _speed(quick)
    yield _again(quick)


def _exact(quick: bool) -> Goal:
    most = 60 if quick else 250
    away = [0.0]
    for one in range(0, most, 3):
        for other in range(0, most, 7):
            table = [[9, one], [other, 9]]
            away.append(abs(mcnemar(one, other, "exact") - statsmodels_mcnemar(table, exact=True).pvalue))
            tail = stats.binomtest(one, one + other).pvalue if one + other else 1.0
            away.append(abs(mcnemar(one, other, "exact") - tail))
            if one + other:
                theirs = statsmodels_mcnemar(table, exact=False, correction=False).pvalue
                away.append(abs(mcnemar(one, other, "chi-squared") - theirs))
            size = one + other + 1
            bounds = proportion_confint(one, size, alpha=2 * ALPHA, method="wilson")
            away += np.abs(np.subtract(shares.wilson(one / size, size, ALPHA), bounds)).tolist()
    return Goal(
        "gate",
        "paired tests agree with scipy and statsmodels to 1e-10",
        f"largest difference {max(away):.1e} in {len(away)} comparisons (McNemar exact and chi-squared, Wilson)",
        max(away) <= 1e-10,
    )


def _pair(
    random: np.random.Generator, design: tuple[int, int, float, float], gain: float
) -> tuple[Answers, Answers, np.ndarray]:
    """Two models that differ on a share of the records, of which the first has more right by the gain; and groups.

    A design is records, groups, the share of records that they differ on, and the share of the groups in which all
    records go the same way.
    """
    n, groups, disagree, alike = design
    truth = (random.random(n) < 0.3).astype(int)
    group = random.integers(0, groups, n)
    same = (random.random(groups) < alike)[group]

    def draw() -> np.ndarray:
        return np.where(same, random.random(groups)[group], random.random(n))

    right = draw() < 0.9
    differ = draw() < disagree
    first = draw() < 0.5 + gain / (2 * disagree)
    ours, theirs = np.where(differ, first, right), np.where(differ, ~first, right)

    def answers(correct: np.ndarray) -> Answers:
        said = np.where(correct, truth, 1 - truth)
        score = np.clip(np.where(said == 1, 0.5, 0.0) + 0.5 * random.random(n), 0.01, 0.99)
        return Answers(LABELS[truth], LABELS[said], np.column_stack([1 - score, score]), CLASSES)

    return answers(ours), answers(theirs), group


DESIGNS = {
    "200 records alone, 5 % differ": (200, 100_000, 0.05, 0.0),
    "300 records of 60 patients, 10 % differ": (300, 60, 0.10, 0.5),
}


def _passes(
    name: str, design: tuple[int, int, float, float], gain: float, runs: int, least: float = 0.0
) -> tuple[int, int, int]:
    random = np.random.default_rng(11)
    passed = pointed = pretended = 0
    for run in range(runs):
        one, other, group = _pair(random, design, gain)
        found = compare(METRICS[name], one, other, group, resamples=1000, seed=run, alpha=ALPHA)
        passed += found.lower > least
        pointed += found.gain > least
        if design[3]:
            alone = compare(METRICS[name], one, other, None, resamples=1000, seed=run, alpha=ALPHA)
            pretended += alone.lower > least
    return passed, pointed, pretended


def _told(hits: int, runs: int) -> str:
    lower, upper = wilson(hits, runs)
    return f"{100 * hits / runs:.1f} % [{100 * lower:.1f}, {100 * upper:.1f}]"


def _equal_models(quick: bool) -> Iterator[Goal]:
    runs = 60 if quick else 1000
    for words, design in DESIGNS.items():
        for name in METRICS_SHOWN:
            passed, pointed, pretended = _passes(name, design, 0.0, runs)
            without = f", without groups {_told(pretended, runs)}" if design[3] else ""
            yield Goal(
                "gate",
                f"equal models pass in at most 5 %: {name}, {words}",
                f"{_told(passed, runs)}; by point values {_told(pointed, runs)}{without}; {runs} runs",
                wilson(passed, runs)[0] <= ALPHA,
            )


def _better_models(quick: bool) -> Iterator[Goal]:
    """Power, against McNemar's test, which is of accuracies alone."""
    runs = 60 if quick else 500
    design = (1000, 1_000_000, 0.08, 0.0)
    random = np.random.default_rng(5)
    ours = exact = middle = 0
    for run in range(runs):
        one, other, _ = _pair(random, design, 0.025)
        found = compare(METRICS["accuracy"], one, other, None, resamples=1000, seed=run, alpha=ALPHA)
        right, wrong = one.true_codes == one.predicted_codes, other.true_codes == other.predicted_codes
        counts = int((right & ~wrong).sum()), int((wrong & ~right).sum())
        ours += found.lower > 0
        better = counts[0] > counts[1]
        exact += better and mcnemar(*counts, "exact") / 2 <= ALPHA
        middle += better and mcnemar(*counts) / 2 <= ALPHA
    yield Goal(
        "gate",
        "a gain of 2.5 points on 1,000 records passes as often as McNemar's exact test finds it, but for 3 points",
        f"{_told(ours, runs)}; McNemar exact {_told(exact, runs)}, mid-p {_told(middle, runs)}; {runs} runs",
        ours >= exact - 0.03 * runs,
    )


def _margin(quick: bool) -> Iterator[Goal]:
    """At the margin of what may be lost, a candidate passes in at most 5 %."""
    runs = 60 if quick else 1000
    for words, design in DESIGNS.items():
        passed, pointed, _ = _passes("accuracy", design, -0.02, runs, least=-0.02)
        yield Goal(
            "gate",
            f"a candidate that loses just as much as min_gain = -0.02 forbids passes in at most 5 %: {words}",
            f"{_told(passed, runs)}; by point values {_told(pointed, runs)}; {runs} runs",
            wilson(passed, runs)[0] <= ALPHA,
        )


def _speed(quick: bool) -> Goal:
    """The draws of a bootstrap, against scipy's and scikit-learn's doing the same."""
    n, draws = 2000, 200 if quick else 1000
    one, other, _ = _pair(np.random.default_rng(1), (n, n, 0.1, 0.0), 0.0)
    groups = Groups.of(None, n)
    metric = METRICS["balanced_accuracy"]
    ours = seconds(lambda: bootstrap(metric, (one, other), groups, resamples=draws, seed=0))

    def difference(rows: np.ndarray) -> float:
        first = balanced_accuracy_score(one.true_codes[rows], one.predicted_codes[rows])
        return float(first - balanced_accuracy_score(other.true_codes[rows], other.predicted_codes[rows]))

    theirs = seconds(
        lambda: stats.bootstrap(
            (np.arange(n),), difference, n_resamples=draws, method="percentile", vectorized=False, rng=0
        ),
        runs=1,
    )
    return Goal(
        "gate",
        "a paired bootstrap of balanced accuracy is faster than scipy.stats.bootstrap over scikit-learn",
        f"{theirs / ours:.0f} times ({ours * 1000:.0f} ms against {theirs * 1000:.0f} ms, {n} records, {draws} draws)",
        ours < theirs,
    )


def _again(quick: bool) -> Goal:
    """In a process of its own: clients read HOME when they are imported."""
    words = [sys.executable, str(HERE), *(["--quick"] if quick else [])]
    return Goal(**json.loads(subprocess.check_output(words, text=True).splitlines()[-1]))


def judged_again(quick: bool) -> Goal:
    """Gates in a catalog of their own, judged again by another connection."""
    from own_host import own_host  # noqa: PLC0415  (sets HOME)

    with tempfile.TemporaryDirectory() as folder, own_host(Path(folder)) as hostname:
        from hospital import TABLE, classifier, hospital, train  # noqa: PLC0415

        from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415
        from deriva_ml_kit.ops.evaluation.evaluate import evaluate  # noqa: PLC0415
        from deriva_ml_kit.ops.gate.documents import GateCriteria  # noqa: PLC0415
        from deriva_ml_kit.ops.gate.gate import again, gate  # noqa: PLC0415
        from deriva_ml_kit.ops.gate.registering import register_criteria  # noqa: PLC0415

        of = hospital(hostname)
        asked = {"dataset": of.testing, "table": TABLE, "label": "Label", "cluster": "Patient"}
        required = [{"metric": name, "direction": "higher", "min_gain": 0.0} for name in METRICS_SHOWN[:4]]
        criteria = register_criteria(of.ml, GateCriteria.model_validate({**asked, "requirements": required}))
        models = []
        for weak, seed in ((True, 0), (False, 1), (True, 2))[: 2 if quick else 3]:
            models.append(train(of, classifier(of, weak=weak, seed=seed), assets=(str(criteria),))[1])
            evaluate(of.ml, models[-1], of.testing, table=TABLE, label="Label", cluster="Patient")
        verdicts, same = [], 0
        taken = []
        for candidate in models:
            for incumbent in [None, *(each for each in models if each != candidate)]:
                made = gate(of.ml, candidate, incumbent_rid=incumbent)
                verdicts.append(made.report.verdict)
                other = DerivaML(hostname, of.ml.catalog_id)
                report = str(made.report_rid)
                found = again(other, report)
                same += not found.differences
                taken.append(seconds(lambda other=other, report=report: again(other, report), runs=1))
    told = ", ".join(f"{verdicts.count(each)} {each}" for each in sorted(set(verdicts)))
    return Goal(
        "gate",
        "a gate is the same when it is judged again from the catalog alone",
        f"{same} of {len(verdicts)} ({told}), {np.median(taken):.1f} s each",
        same == len(verdicts),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(judged_again("--quick" in sys.argv))))
