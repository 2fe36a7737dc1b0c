"""A small sample with every class in it: a floor for each class, then shares in proportion.

How many of each class: seats go one by one to the class that is worst represented, by the divisor method of Webster and
Sainte-Laguë. It is free of the paradoxes of rounding shares (Balinski & Young, *Fair Representation*, 1982): a larger
sample never has fewer of a class, so a sample that is drawn again with a larger size keeps what it had.

Which records: the first of each class in the order of `order.rank`, whole groups at a time, rarest class first (as in
iterative stratification, Sechidis, Tsoumakas & Vlahavas 2011).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.sampling.faults import CannotSample, listed
from deriva_ml_kit.sampling.order import rank
from deriva_ml_kit.sampling.records import Records


@dataclass(frozen=True)
class Sample:
    """What was drawn.

    Attributes:
        rids: The records, sorted.
        counts: Class -> how many of the sample.
        available: Class -> how many there are.
        short: Classes with fewer than the floor; all of them are in the sample.
    """

    rids: tuple[str, ...]
    counts: dict[str, int]
    available: dict[str, int]
    short: tuple[str, ...]


def quotas(available: Mapping[str, int], size: int, least: Mapping[str, int]) -> dict[str, int]:
    """Share out places among classes.

    Args:
        available: Class -> how many records there are.
        size: Places; all are given out if there are as many records.
        least: Places that each class has already.
    """
    given = {name: least[name] for name in available}
    need = [(-_need(available[name], given[name]), name) for name in available if given[name] < available[name]]
    heapq.heapify(need)
    for _ in range(size - sum(given.values())):
        if not need:
            break
        _, name = heapq.heappop(need)
        given[name] += 1
        if given[name] < available[name]:
            heapq.heappush(need, (-_need(available[name], given[name]), name))
    return given


def quota_sample(
    source: Records,
    *,
    size: int,
    floor: int,
    seed: int,
    edge_cases: Iterable[str] = (),
    keep: Iterable[str] = (),
    faults: Iterable[Fault] = (),
) -> Sample:
    """Draw a sample with every class in it.

    The draw depends on the records, not on their order. Without groups the sample has exactly ``size`` records (all if
    there are no more); with groups it never has more, and fewer where no group of a class that still lacks fits.

    Args:
        source: The records.
        size: How many records to draw.
        floor: How many of each class at least; a class with fewer comes whole and is listed.
        seed: Another seed makes another draw.
        edge_cases: RIDs that must be in.
        keep: RIDs of an earlier sample, which come before others of their class.
        faults: What is known to be wrong with the records already, to be raised with what is found here.

    Raises:
        CannotSample: Everything that stands against it; for a size that is too small, the least that works.
    """
    found = list(faults)
    edges = sorted(set(edge_cases))
    if floor < 1:
        found.append(Fault(f"floor must be 1 or more, not {floor}"))
    if size < 1:
        found.append(Fault(f"size must be 1 or more, not {size}"))
    if not source.label and not found:
        found.append(Fault("there are no labelled records to draw from"))
    if foreign := [rid for rid in edges if rid not in source.label]:
        found.append(
            Fault(f"{len(foreign)} edge cases are not among the labelled records of the source: {listed(foreign)}")
        )
    edges = [rid for rid in edges if rid in source.label]
    if floor >= 1 and source.label:
        draw = _Draw(source, seed, edges, set(keep))
        chosen = draw.at_most(size, floor)
        if chosen is None and size >= 1:
            least = draw.least(floor)
            within = "" if len(draw.groups) == len(source.label) else ", and groups stay whole"
            found.append(
                Fault(
                    f"{size} records cannot hold {floor} of each of {len(source.counts)} classes{within}",
                    remedy=f"the least size that works here is {least}",
                )
            )
    if found:
        raise CannotSample(found)
    assert chosen is not None
    counts = Counter(source.label[rid] for rid in chosen)
    available = source.counts
    return Sample(
        rids=tuple(sorted(chosen)),
        counts={name: counts[name] for name in available},
        available=available,
        short=tuple(name for name, count in available.items() if count < floor),
    )


class _Draw:
    """Takes whole groups until every class has what it is due."""

    def __init__(self, source: Records, seed: int, edges: list[str], keep: set[str]) -> None:
        self.groups = source.groups
        self.contents = {name: _counted(source.label, rids) for name, rids in self.groups.items()}
        self.forced = sorted({source.group.get(rid, rid) for rid in edges})
        self.available = source.counts
        kept = {source.group.get(rid, rid) for rid in keep}
        first = sorted((name not in kept, rank(name, seed), name) for name in self.groups)
        self.by_rank = self._holding(name for *_, name in first)
        self.rarest_first = sorted(self.available, key=lambda name: (self.available[name], name))

    @cached_property
    def by_size(self) -> dict[str, list[str]]:
        """As by_rank, with the smallest groups first."""
        return {label: sorted(names, key=lambda name: len(self.groups[name])) for label, names in self.by_rank.items()}

    def at_most(self, size: int, floor: int) -> list[str] | None:
        """Return the sample, or None if the floors do not fit into the size."""
        floors = {name: min(floor, count) for name, count in self.available.items()}
        start, have = self._fill(self.forced, self.by_rank, floors, size)
        if not _met(have, floors, size):  # large groups came first: try with the smallest
            start, have = self._fill(self.forced, self.by_size, floors, size)
        if not _met(have, floors, size):
            return None
        taken, _ = self._fill(start, self.by_rank, quotas(self.available, size, have), size)
        return [rid for name in taken for rid in self.groups[name]]

    def least(self, floor: int) -> int:
        """Return a size into which the floors fit: what they take when the smallest groups come first."""
        floors = {name: min(floor, count) for name, count in self.available.items()}
        _, have = self._fill(self.forced, self.by_size, floors, sum(self.available.values()))
        return have.total()

    def _holding(self, order: Iterable[str]) -> dict[str, list[str]]:
        """Class -> the groups that hold some of it, in this order."""
        holding: dict[str, list[str]] = {}
        for name in order:
            for label in self.contents[name]:
                holding.setdefault(label, []).append(name)
        return holding

    def _fill(
        self, start: Sequence[str], holding: Mapping[str, Sequence[str]], due: Mapping[str, int], size: int
    ) -> tuple[list[str], Counter[str]]:
        """Take the groups at the start and, for each class that lacks, the first that hold it and fit; their counts."""
        taken, inside = list(start), set(start)
        have: Counter[str] = Counter()
        for name in start:
            have.update(self.contents[name])
        total = have.total()
        for label in self.rarest_first:
            for name in holding[label]:
                if have[label] >= due[label]:
                    break
                if name not in inside and total + len(self.groups[name]) <= size:
                    taken.append(name)
                    inside.add(name)
                    have.update(self.contents[name])
                    total += len(self.groups[name])
        return taken, have


def _counted(label: Mapping[str, str], rids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for rid in rids:
        found[label[rid]] = found.get(label[rid], 0) + 1
    return found


def _met(have: Counter[str], due: Mapping[str, int], size: int) -> bool:
    return have.total() <= size and all(have[label] >= count for label, count in due.items())


def _need(available: int, given: int) -> float:
    """How badly a class is represented: Webster's priority of its next place."""
    return available / (2 * given + 1)
