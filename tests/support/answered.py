"""Answers of made-up models to made-up records."""

from __future__ import annotations

import numpy as np

from deriva_ml_kit.numerics.paired.metrics import Answers

NAMES = np.array(["ant", "bee", "cat", "dog"], dtype=object)


def classification(seed: int, *, n: int = 120, k: int = 3, right: float = 0.8, truth_seed: int = 0) -> Answers:
    """Answers that are right with a probability; scores are highest for what is predicted, and have ties."""
    true = np.random.default_rng(truth_seed).integers(0, k, n)
    random = np.random.default_rng(seed + 1)
    said = np.where(random.random(n) < right, true, random.integers(0, k, n))
    scores = np.round(random.random((n, k)), 1) + 0.05
    scores[np.arange(n), said] += 1
    return Answers(NAMES[true], NAMES[said], scores / scores.sum(1, keepdims=True), tuple(NAMES[:k]))


def regression(seed: int, *, n: int = 120, error: float = 1.0, truth_seed: int = 0) -> Answers:
    """Numbers with errors."""
    true = np.random.default_rng(truth_seed).normal(size=n)
    return Answers(true, true + error * np.random.default_rng(seed + 1).normal(size=n))
