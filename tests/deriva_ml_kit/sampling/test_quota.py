"""The quota sampler: every class, exact sizes, whole groups, stable when the source grows, every refusal at once."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.sampling import CannotSample, Records, quota_sample, records
from deriva_ml_kit.sampling.quota import quotas

counts = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 60), min_size=1)
seeds = st.integers(0, 2**31)


def source(classes: dict[str, int], first: int = 0) -> Records:
    labels = [label for label, count in classes.items() for _ in range(count)]
    return Records({f"1-{first + n:05X}": label for n, label in enumerate(labels)})


@st.composite
def sources_in_groups(draw: st.DrawFn) -> Records:
    groups = [
        f"S{n}"
        for n, size in enumerate(draw(st.lists(st.integers(1, 9), min_size=4, max_size=40)))
        for _ in range(size)
    ]
    labels = draw(st.lists(st.sampled_from("AAAABBC"), min_size=len(groups), max_size=len(groups)))
    rids = [f"1-{n:05X}" for n in range(len(groups))]
    return Records(dict(zip(rids, labels, strict=True)), dict(zip(rids, groups, strict=True)))


def least_size(found: pytest.ExceptionInfo[CannotSample]) -> int:
    return int(str(found.value).rpartition("works here is ")[2])


@given(counts, st.integers(1, 8), st.integers(0, 80), seeds)
def test_the_size_is_exact_and_every_class_has_its_floor(classes, floor, extra, seed):
    least = sum(min(floor, count) for count in classes.values())
    sample = quota_sample(source(classes), size=least + extra, floor=floor, seed=seed)
    assert len(sample.rids) == len(set(sample.rids)) == min(least + extra, sum(classes.values()))
    assert all(sample.counts[label] >= min(floor, count) for label, count in classes.items())
    assert sample.short == tuple(sorted(label for label, count in classes.items() if count < floor))
    assert sample.available == dict(sorted(classes.items()))


@given(counts, st.integers(1, 8), seeds)
def test_the_draw_does_not_depend_on_the_order_of_the_records(classes, floor, seed):
    made = source(classes)
    turned = Records(dict(reversed(made.label.items())))
    size = floor * len(classes) + 7
    assert quota_sample(made, size=size, floor=floor, seed=seed) == quota_sample(
        turned, size=size, floor=floor, seed=seed
    )


@given(counts, st.integers(1, 8), st.integers(0, 40), st.integers(0, 40), seeds)
def test_a_larger_sample_contains_the_smaller(classes, floor, extra, more, seed):
    size = floor * len(classes) + extra
    small, large = (
        quota_sample(source(classes), size=wanted, floor=floor, seed=seed) for wanted in (size, size + more)
    )
    assert set(small.rids) <= set(large.rids)


@given(counts, st.integers(1, 30), st.integers(1, 8), st.integers(0, 40), seeds)
def test_of_a_grown_source_only_what_newcomers_displace_is_given_up(classes, grown, floor, extra, seed):
    """Per class: members leave one for one for newcomers, or because the quota is smaller; never otherwise."""
    before, new = source(classes), source(dict.fromkeys(classes, grown), first=5000)
    after = Records(before.label | new.label)
    size = floor * len(classes) + extra
    old = quota_sample(before, size=size, floor=floor, seed=seed)
    now = quota_sample(after, size=size, floor=floor, seed=seed)
    for label, count in old.counts.items():
        was = {rid for rid in old.rids if before.label[rid] == label}
        newcomers = {rid for rid in now.rids if after.label[rid] == label} - before.label.keys()
        stayed = was & set(now.rids)
        assert len(stayed) == min(count, now.counts[label] - len(newcomers))


@given(counts, st.integers(1, 30), st.integers(1, 8), st.integers(0, 40), seeds)
def test_of_an_earlier_sample_everything_is_kept_that_the_quotas_hold(classes, grown, floor, extra, seed):
    before, new = source(classes), source(dict.fromkeys(classes, grown), first=5000)
    after = Records(before.label | new.label)
    size = floor * len(classes) + extra
    old = quota_sample(before, size=size, floor=floor, seed=seed)
    now = quota_sample(after, size=size, floor=floor, seed=seed, keep=old.rids)
    for label, count in old.counts.items():
        stayed = [rid for rid in set(old.rids) & set(now.rids) if before.label[rid] == label]
        assert len(stayed) == min(count, now.counts[label])


def test_how_many_are_kept_when_a_source_of_1000_grows():
    """By hash alone about 1/growth of the members stay; told of the earlier sample, all do."""
    classes = {"A": 700, "B": 250, "C": 50}
    kept: dict[float, list[int]] = {}
    for growth in (1.1, 1.5, 2.0):
        for seed in range(50):
            before = source(classes)
            new = source({label: round(count * (growth - 1)) for label, count in classes.items()}, first=5000)
            after = Records(before.label | new.label)
            old = quota_sample(before, size=100, floor=10, seed=seed)
            now = quota_sample(after, size=100, floor=10, seed=seed)
            kept.setdefault(growth, []).append(len(set(old.rids) & set(now.rids)))
            told = quota_sample(after, size=100, floor=10, seed=seed, keep=old.rids)
            assert set(told.rids) == set(old.rids)
    means = {growth: sum(found) / len(found) for growth, found in kept.items()}
    assert means[1.1] > 88
    assert means[1.5] > 63
    assert means[2.0] > 47


@given(sources_in_groups(), st.integers(1, 5), st.integers(0, 30), seeds)
def test_groups_come_whole_and_the_size_is_never_exceeded(made, floor, extra, seed):
    with pytest.raises(CannotSample) as refused:
        quota_sample(made, size=0, floor=floor, seed=seed, edge_cases=["nobody"])
    assert len(refused.value.faults) >= 2
    try:
        sample = quota_sample(made, size=10 + extra, floor=floor, seed=seed)
        assert len(sample.rids) <= 10 + extra
    except CannotSample as error:
        assert "groups stay whole" in str(error) or len(made.groups) == len(made.label)
        size = int(str(error).rpartition("works here is ")[2])
        assert size > 10 + extra
        sample = quota_sample(made, size=size, floor=floor, seed=seed)
        assert len(sample.rids) <= size
    chosen = set(sample.rids)
    assert all(chosen.issuperset(rids) or chosen.isdisjoint(rids) for rids in made.groups.values())
    assert all(sample.counts[label] >= min(floor, count) for label, count in made.counts.items())


@given(sources_in_groups(), seeds, st.data())
def test_edge_cases_are_in_with_all_that_belongs_to_them(made, seed, data):
    edges = data.draw(st.lists(st.sampled_from(sorted(made.label)), min_size=1, max_size=3, unique=True))
    sample = quota_sample(made, size=len(made.label), floor=2, seed=seed, edge_cases=edges)
    assert set(edges) <= set(sample.rids)
    belonging = {rid for rid, group in made.group.items() if group in {made.group[edge] for edge in edges}}
    assert belonging <= set(sample.rids)


def test_edge_cases_count_towards_the_quotas():
    made = source({"A": 100, "B": 100})
    edges = [rid for rid, label in made.label.items() if label == "B"][:8]
    sample = quota_sample(made, size=20, floor=2, seed=1, edge_cases=edges)
    assert set(edges) <= set(sample.rids)
    assert sample.counts == {"A": 10, "B": 10}


@given(counts, seeds)
def test_quotas_never_shrink_when_the_size_grows(classes, seed):
    given_out = [quotas(classes, size, dict.fromkeys(classes, 0)) for size in range(sum(classes.values()) + 1)]
    for size, (small, large) in enumerate(pairwise(given_out)):
        assert sum(small.values()) == size
        assert all(small[label] <= large[label] for label in classes)


def test_shares_beyond_the_floor_are_proportional():
    sample = quota_sample(source({"A": 9500, "B": 459, "C": 40, "D": 1}), size=200, floor=8, seed=42)
    assert sample.counts == {"A": 182, "B": 9, "C": 8, "D": 1}
    assert sample.short == ("D",)


def test_a_size_that_is_too_small_is_refused_with_the_least_that_works():
    made = source({"A": 100, "B": 100, "C": 3})
    with pytest.raises(CannotSample) as refused:
        quota_sample(made, size=12, floor=10, seed=1)
    assert "12 records cannot hold 10 of each of 3 classes" in str(refused.value)
    assert least_size(refused) == 23
    assert quota_sample(made, size=23, floor=10, seed=1).counts == {"A": 10, "B": 10, "C": 3}


def test_everything_that_is_wrong_is_said_at_once():
    made, faults = records(
        ["1-A", "1-B", "1-C", "1-C", "1-D", "1-D"],
        ["x", None, "x", "y", "x", "x"],
        ["S", "S", "T", "T", "U", "V"],
    )
    assert made.label == {"1-A": "x", "1-D": "x"}
    with pytest.raises(CannotSample) as refused:
        quota_sample(made, size=1, floor=2, seed=1, edge_cases=["1-B", "9-Z"], faults=faults)
    text = str(refused.value)
    for words in (
        "1-C has 2 labels: x, y",
        "1-D belongs to 2 groups: U, V",
        "1 of 4 records have no label: 1-B",
        "2 edge cases are not among the labelled records of the source: 1-B, 9-Z",
        "the least size that works here is 2",
    ):
        assert words in text


def test_records_without_label_can_be_left_out_or_be_a_class():
    rows = (["1-A", "1-B"], ["x", float("nan")])
    assert records(*rows, missing="drop") == (Records({"1-A": "x"}, {"1-A": "1-A"}), [])
    included, faults = records(*rows, missing="include")
    assert (included.label, faults) == ({"1-A": "x", "1-B": "__missing__"}, [])
    with pytest.raises(CannotSample, match="not 'ignore'"):
        records(*rows, missing="ignore")  # type: ignore[arg-type]


def test_many_records_are_drawn_from_in_a_moment():
    chance = random.Random(1)
    labels = chance.choices("ABCDEFGHIJ", range(1, 11), k=200_000)
    made = Records({f"{n:X}": label for n, label in enumerate(labels)})
    sample = quota_sample(made, size=200, floor=8, seed=1)
    assert Counter(made.label[rid] for rid in sample.rids).total() == 200
