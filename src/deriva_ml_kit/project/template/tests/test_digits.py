"""The digit classifier on made-up images: seconds, no catalog."""

import numpy as np
import pandas as pd
import pytest
from models.digit_features import COLUMNS, features
from models.digits import Part, halves, learn

from deriva_ml_kit.tiers import Evidence

CLASSES = [str(n) for n in range(10)]
SETTINGS = {"hidden_units": 32, "learning_rate": 0.005, "batch_size": 32, "seed": 20}


@pytest.fixture
def parts():
    """Two hundred images: each digit is a pattern of its own, with some noise."""
    random = np.random.default_rng(0)
    digits = np.repeat(np.arange(10), 20)
    grey = np.clip(random.random((10, 64))[digits] + random.normal(0, 0.05, (200, 64)), 0, 1) * 255
    raw = pd.DataFrame(grey.astype(int), columns=COLUMNS)
    rids = np.array([f"1-{n:04d}" for n in range(200)])
    return halves(Part(rids, raw, features(raw), digits.astype(str)), seed=20)


def test_features_are_grey_levels_from_0_to_1():
    made = features(pd.DataFrame([[0, 255] * 32], columns=COLUMNS))

    assert (made.min().min(), made.max().max()) == (0, 1)


def test_the_model_learns_what_can_be_learnt(parts):
    train, test = parts

    model, losses, predicted = learn(train, test, CLASSES, Evidence(), epochs=40, **SETTINGS)

    assert losses[-1] < losses[0] / 2
    assert (predicted == test.digits).mean() > 0.9
    assert list(model.classes_) == CLASSES


def test_the_same_seed_gives_the_same_losses(parts):
    first, second = (learn(*parts, CLASSES, Evidence(), epochs=2, **SETTINGS)[1] for _ in range(2))

    assert first == second


def test_a_dry_run_learns_from_two_batches(parts):
    _, losses, _ = learn(*parts, CLASSES, Evidence(tier=1, dry_run=True), epochs=40, **SETTINGS)

    assert len(losses) == 2


def test_a_dataset_is_split_with_a_fifth_of_each_digit_kept_back(parts):
    train, test = parts

    assert not set(train.rids) & set(test.rids)
    assert np.unique(test.digits, return_counts=True)[1].tolist() == [4] * 10
