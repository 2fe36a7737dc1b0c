"""Splits: disjoint, complete, of the right size, alike in their strata, whole in their groups, whatever the order."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.sampling import CannotSample, Leak, assign, leaks, part_sizes
from deriva_ml_kit.sampling.partition import rounded

strata = st.lists(st.sampled_from("AAAAAABBBCD"), min_size=3, max_size=150)
seeds = st.integers(0, 2**31)


@st.composite
def splits(draw: st.DrawFn) -> tuple[list[str], dict[str, int], int]:
    """Labels of records, sizes that fit them, a seed."""
    labels = draw(strata)
    train = draw(st.integers(1, len(labels) - 2))
    test = draw(st.integers(1, len(labels) - train - 1))
    val = draw(st.integers(1, len(labels) - train - test))
    return labels, {"Training": train, "Testing": test, "Validation": val}, draw(seeds)


@st.composite
def grouped_splits(draw: st.DrawFn) -> tuple[list[str], list[str], dict[str, int], int]:
    """Labels, groups, sizes that are larger than any group, a seed."""
    groups = [
        f"S{n}"
        for n, size in enumerate(draw(st.lists(st.integers(1, 8), min_size=8, max_size=60)))
        for _ in range(size)
    ]
    labels = draw(st.lists(st.sampled_from("AAAABBC"), min_size=len(groups), max_size=len(groups)))
    largest = max(Counter(groups).values())
    total = len(groups)
    test = draw(st.integers(min(largest, total // 4), max(largest, total // 4)))
    return labels, groups, {"Training": total - test, "Testing": test}, draw(seeds)


def keys(count: int) -> list[str]:
    return [f"1-{n:04X}" for n in range(count)]


def named(found: dict[str, np.ndarray], names: list[str]) -> dict[str, set[str]]:
    return {part: {names[n] for n in positions} for part, positions in found.items()}


def shuffled(*columns: list[str]) -> list[list[str]]:
    rows = list(zip(*columns, strict=True))
    random.Random(1).shuffle(rows)
    return [list(column) for column in zip(*rows, strict=True)]


@given(splits(), st.booleans())
def test_parts_are_disjoint_of_the_sizes_asked_for_and_the_same_in_any_order(case, stratified: bool):
    labels, sizes, seed = case
    names = keys(len(labels))
    found = assign(names, sizes, seed, strata=labels if stratified else None)
    everything = [n for positions in found.values() for n in positions]

    assert {part: len(positions) for part, positions in found.items()} == sizes
    assert len(everything) == len(set(everything))
    again, moved = shuffled(names, labels)
    assert named(assign(again, sizes, seed, strata=moved if stratified else None), again) == named(found, names)


@given(splits())
def test_every_stratum_has_its_share_of_every_part_to_less_than_one_record(case):
    labels, sizes, seed = case
    found = assign(keys(len(labels)), sizes, seed, strata=labels)
    for part, positions in found.items():
        have = Counter(labels[n] for n in positions)
        for label, count in Counter(labels).items():
            assert abs(have[label] - count * sizes[part] / len(labels)) < 1


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.data())
def test_rounding_keeps_all_sums(rows: list[int], data):
    cuts = sorted(data.draw(st.lists(st.integers(0, sum(rows)), max_size=4)))
    columns = [b - a for a, b in zip([0, *cuts], [*cuts, sum(rows)], strict=True)]
    table = rounded(rows, columns)
    assert [sum(line) for line in table] == rows
    assert [sum(line[c] for line in table) for c in range(len(columns))] == columns
    for row, line in zip(rows, table, strict=True):
        assert all(abs(cell - row * column / sum(rows)) < 1 for cell, column in zip(line, columns, strict=True) if row)


@given(grouped_splits(), st.booleans())
def test_no_group_is_torn_and_sizes_hold_to_within_the_largest(case, stratified: bool):
    labels, groups, sizes, seed = case
    names = keys(len(groups))
    found = assign(names, sizes, seed, strata=labels if stratified else None, groups=groups)
    parts = named(found, names)

    assert sum(map(len, parts.values())) == len(names)
    assert leaks(parts, dict(zip(names, groups, strict=True))) == []
    largest = max(Counter(groups).values())
    assert all(abs(len(rids) - sizes[part]) <= largest for part, rids in parts.items())
    again, moved, regrouped = shuffled(names, labels, groups)
    strata = moved if stratified else None
    assert named(assign(again, sizes, seed, strata=strata, groups=regrouped), again) == parts


@settings(max_examples=50)
@given(st.lists(st.integers(1, 20), min_size=3, max_size=12), seeds, st.booleans())
def test_every_part_gets_a_group_however_large_they_are(lengths: list[int], seed: int, stratified: bool):
    groups = [f"S{n}" for n, length in enumerate(lengths) for _ in range(length)]
    labels = [group[-1] for group in groups]
    sizes = (
        {"Training": len(groups) - 2, "Testing": 1, "Validation": 1} if len(groups) > 3 else {"A": 1, "B": 1, "C": 1}
    )
    found = assign(keys(len(groups)), sizes, seed, strata=labels if stratified else None, groups=groups)
    assert all(len(positions) for positions in found.values())


def test_groups_with_strata_come_nearer_to_the_shares_than_without():
    """120 subjects of 1 to 12 images, three grades that go with the subject: 97 of 100 seeds split better."""
    chance = random.Random(7)
    groups, labels = [], []
    for n in range(120):
        grade = chance.choices("012", [80, 15, 5])[0]
        for _ in range(chance.randint(1, 12)):
            groups.append(f"S{n}")
            labels.append(grade if chance.random() < 0.8 else chance.choice("012"))
    shares = {label: count / len(labels) for label, count in Counter(labels).items()}
    sizes = part_sizes(len(labels), 0.2, val_size=0.1)

    def worst(strata: list[str] | None, seed: int) -> float:
        found = assign(keys(len(labels)), sizes, seed, strata=strata, groups=groups)
        return max(
            abs(Counter(labels[n] for n in positions)[label] / len(positions) - share)
            for positions in found.values()
            for label, share in shares.items()
        )

    with_strata = [worst(labels, seed) for seed in range(100)]
    without = [worst(None, seed) for seed in range(100)]
    assert max(with_strata) < 0.02
    assert sum(a < b for a, b in zip(with_strata, without, strict=True)) >= 97


def test_another_seed_makes_another_split():
    sizes = {"Training": 80, "Testing": 20}
    draws = {tuple(assign(keys(100), sizes, seed)["Testing"]) for seed in range(20)}
    assert len(draws) == 20


def test_a_grown_source_keeps_nearly_all_records_in_their_parts():
    """Parts are cut from one order of hashes, so that newcomers move only what lies near a cut."""
    before = named(assign(keys(1000), part_sizes(1000, 0.2), 3), keys(1000))
    after = named(assign(keys(1100), part_sizes(1100, 0.2), 3), keys(1100))
    stayed = sum(len(before[part] & after[part]) for part in before)
    assert stayed >= 980


def test_classes_of_one_record_go_where_most_records_go():
    labels = ["A"] * 9500 + ["B"] * 459 + ["C"] * 40 + ["D"]
    found = assign(keys(10000), part_sizes(10000, 0.2), 42, strata=labels)
    have = {part: Counter(labels[n] for n in positions) for part, positions in found.items()}
    assert have["Training"] == {"A": 7600, "B": 367, "C": 32, "D": 1}
    assert have["Testing"] == {"A": 1900, "B": 92, "C": 8}


def test_leaks_names_records_and_groups_in_several_parts():
    parts = {"Training": ["1", "2", "3"], "Testing": ["3", "4"], "Validation": ["5"]}
    assert leaks(parts) == [Leak("3", ("Training", "Testing"), group=False)]
    assert leaks(parts, {"1": "S", "4": "S", "5": "S", "2": "T"}) == [
        Leak("3", ("Training", "Testing"), group=False),
        Leak("S", ("Training", "Testing", "Validation"), group=True),
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"test_size": 0.2}, {"Training": 80, "Testing": 20}),
        ({"test_size": 25}, {"Training": 75, "Testing": 25}),
        ({"test_size": 0.2, "val_size": 0.1}, {"Training": 70, "Testing": 20, "Validation": 10}),
        ({"test_size": 10, "train_size": 0.5}, {"Training": 50, "Testing": 10}),
        ({"test_size": 1, "train_size": 2, "val_size": 3}, {"Training": 2, "Testing": 1, "Validation": 3}),
    ],
)
def test_sizes_are_shares_or_counts(sizes: dict[str, float], expected: dict[str, int]):
    assert part_sizes(100, **sizes) == expected


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"test_size": 0}, ["test_size must be", "not 0"]),
        ({"test_size": -0.5, "val_size": True}, ["test_size must be", "val_size must be", "not True"]),
        ({"test_size": 0.6, "train_size": 0.6}, ["more than the 100"]),
        ({"test_size": 1000}, ["Testing 1000 is more than the 100"]),
        ({"test_size": 100}, ["Training gets none of 100"]),
        ({"test_size": 0.001, "val_size": 0.004}, ["Testing gets none", "Validation gets none"]),
        ({"test_size": float("nan")}, ["not nan"]),
    ],
)
def test_impossible_sizes_are_refused_with_all_reasons(sizes: dict[str, float], words: list[str]):
    with pytest.raises(CannotSample) as refused:
        part_sizes(100, **sizes)
    assert isinstance(refused.value, ValueError)
    assert all(word in str(refused.value) for word in words)


def test_more_parts_than_groups_are_refused():
    with pytest.raises(CannotSample, match="2 parts need 2 groups at least, and there are 1: S"):
        assign(keys(4), {"A": 2, "B": 2}, 1, groups=["S"] * 4)
    with pytest.raises(CannotSample, match="5 records are asked for, and there are 4"):
        assign(keys(4), {"A": 5}, 1)


@given(splits())
def test_records_that_are_called_alike_are_split_alike_whatever_their_keys(drawn):
    labels, sizes, seed = drawn
    called = [f"scan {n}" for n in range(len(labels))]
    keys = list(map(str, range(len(labels))))

    one = assign(keys, sizes, seed, strata=labels, groups=called)
    other = assign(keys[::-1], sizes, seed, strata=labels, groups=called)

    assert {name: list(found) for name, found in one.items()} == {name: list(found) for name, found in other.items()}
