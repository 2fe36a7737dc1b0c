"""Records assigned to parts: at random or stratified, one by one or whole groups at a time.

Every assignment depends on the keys and the seed alone, never on the order in which the records come.

- At random: in the order of `order.rank`, cut at the sizes.
- Stratified: the table stratum x part of exact shares is rounded so that each cell is its share rounded down or up and
  all sums stay right (controlled rounding; it always exists: Bacharach 1966, Cox 1987); within a stratum, by rank.
- Groups at random: groups by rank, cut where their running total comes nearest to the sizes.
- Groups stratified: the largest group first, each to the part in which it brings the counts of the strata nearest to
  their shares by chi-square (as scikit-learn's StratifiedGroupKFold, after Sechidis, Tsoumakas & Vlahavas 2011), then
  single groups are moved while that improves it. If sizes end up worse than the cut's, the cut is used.

No group is ever in two parts; with groups, a part differs from its size by at most the largest group, or by what it
takes to give every part a group.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.sampling.faults import CannotSample, listed
from deriva_ml_kit.sampling.order import rank

Table = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
PASSES = 5


@dataclass(frozen=True)
class Leak:
    """Something that is in more than one part.

    Attributes:
        key: The record, or the group of records.
        parts: Names of the parts.
        group: Whether it is a group.
    """

    key: str
    parts: tuple[str, ...]
    group: bool


def assign(
    keys: Sequence[str],
    sizes: Mapping[str, int],
    seed: int,
    *,
    strata: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> dict[str, Indices]:
    """Assign records to parts.

    Args:
        keys: A key of each record that tells it from the others, such as its RID.
        sizes: Part -> how many records; what they leave goes nowhere.
        seed: Another seed makes another assignment.
        strata: Class of each record, whose shares shall be alike in all parts.
        groups: What each record belongs to, and must not be torn apart.

    Returns:
        Part -> positions of its records, in the order of their ranks.

    Raises:
        CannotSample: The parts need more records, or more groups, than there are.
    """
    total = len(keys)
    wanted = sum(sizes.values())
    nonempty = {name: size for name, size in sizes.items() if size}
    if wanted > total:
        raise CannotSample([Fault(f"{wanted} records are asked for, and there are {total}")])
    every = nonempty if wanted == total else {**nonempty, "": total - wanted}
    members = _grouped(groups) if groups is not None else {}
    alone = groups is None or len(members) == total
    # A group of one stands for its record: what it is called may be the same in every catalog, a RID is not.
    called = groups if groups is not None and alone else keys
    order = sorted(range(total), key=lambda n: (rank(called[n], seed), called[n], n))
    if alone:
        part = _stratified(order, strata, list(every.values())) if strata is not None else _cut(order, every.values())
    else:
        part = _whole_groups(members, strata, every, len(nonempty), seed)
    found: dict[str, list[int]] = {name: [] for name in [*sizes, ""]}
    names = list(every)
    for position in order:
        found[names[part[position]]].append(position)
    return {name: np.array(found[name], dtype=np.intp) for name in sizes}


def leaks(parts: Mapping[str, Iterable[str]], groups: Mapping[str, str] | None = None) -> list[Leak]:
    """Find records that are in more than one part, and groups whose records are.

    Args:
        parts: Part -> RIDs.
        groups: RID -> what it belongs to; a RID that is not named belongs to nothing.
    """
    places: dict[tuple[bool, str], list[str]] = {}
    for name, rids in parts.items():
        inside = set(rids)
        keys = {(False, rid) for rid in inside} | {(True, groups[rid]) for rid in inside if groups and rid in groups}
        for key in keys:
            places.setdefault(key, []).append(name)
    torn = sorted(item for item in places.items() if len(item[1]) > 1)
    return [Leak(key, tuple(names), group) for (group, key), names in torn]


def _grouped(groups: Sequence[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for position, name in enumerate(groups):
        members.setdefault(name, []).append(position)
    return members


def _cut(order: Sequence[int], sizes: Iterable[int]) -> dict[int, int]:
    """Position -> number of its part, in this order."""
    parts = itertools.chain.from_iterable(itertools.repeat(p, size) for p, size in enumerate(sizes))
    return dict(zip(order, parts, strict=True))


def _stratified(order: Sequence[int], strata: Sequence[str], sizes: Sequence[int]) -> dict[int, int]:
    by_stratum: dict[str, list[int]] = {}
    for position in order:
        by_stratum.setdefault(strata[position], []).append(position)
    names = sorted(by_stratum)
    counts = rounded([len(by_stratum[name]) for name in names], sizes)
    part: dict[int, int] = {}
    for name, row in zip(names, counts, strict=True):
        part |= _cut(by_stratum[name], row)
    return part


def rounded(rows: Sequence[int], columns: Sequence[int]) -> list[list[int]]:
    """Share out rows among columns in whole numbers, each cell its exact share rounded down or up.

    Args:
        rows: Sum of each row.
        columns: Sum of each column; together they make the same total.
    """
    total = sum(rows) or 1
    cells = [[row * column // total for column in columns] for row in rows]
    # What is cut off each cell, times the total. Cells without it stay; the others may get one more.
    rest = [[row * column % total for column in columns] for row in rows]
    row_lacks = [row - sum(cells[r]) for r, row in enumerate(rows)]
    column_lacks = [column - sum(line[c] for line in cells) for c, column in enumerate(columns)]
    raised: set[tuple[int, int]] = set()
    by_rest = sorted((-rest[r][c], r, c) for r in range(len(rows)) for c in range(len(columns)) if rest[r][c])
    for _, r, c in by_rest:
        if row_lacks[r] and column_lacks[c]:
            raised.add((r, c))
            row_lacks[r] -= 1
            column_lacks[c] -= 1
    for r in range(len(rows)):
        while row_lacks[r]:
            _make_room(r, rest, raised, column_lacks)
            row_lacks[r] -= 1
    return [[cell + ((r, c) in raised) for c, cell in enumerate(line)] for r, line in enumerate(cells)]


def _make_room(row: int, rest: list[list[int]], raised: set[tuple[int, int]], column_lacks: list[int]) -> None:
    """Raise one more cell of a row, on the shortest way of exchanges that ends at a column with room."""
    came_from: dict[int, tuple[int, int]] = {}  # column -> (row, column before)
    waiting = [(row, -1)]
    for r, before in waiting:
        for c, left in enumerate(rest[r]):
            if not left or (r, c) in raised or c in came_from:
                continue
            came_from[c] = (r, before)
            if column_lacks[c]:
                column_lacks[c] -= 1
                to = c
                while to != -1:
                    giver, freed = came_from[to]
                    raised.add((giver, to))
                    raised.discard((giver, freed))
                    to = freed
                return
            waiting += [(other, c) for other in range(len(rest)) if (other, c) in raised]
    raise AssertionError("a rounding with these sums exists")


def _whole_groups(
    members: Mapping[str, list[int]], strata: Sequence[str] | None, sizes: Mapping[str, int], parts: int, seed: int
) -> dict[int, int]:
    if len(members) < parts:
        raise CannotSample(
            [Fault(f"{parts} parts need {parts} groups at least, and there are {len(members)}: {listed(members)}")]
        )
    names = sorted(members, key=lambda name: (rank(name, seed), name))
    lengths = np.array([len(members[name]) for name in names])
    targets = np.array(list(sizes.values()))
    chosen = cut = _cut_groups(lengths, targets, parts)
    if strata is not None:
        kinds = {kind: n for n, kind in enumerate(sorted(set(strata)))}
        contents = np.zeros((len(names), len(kinds)))
        for g, name in enumerate(names):
            np.add.at(contents[g], [kinds[strata[n]] for n in members[name]], 1)
        balanced = _balanced_groups(contents, targets, parts)
        tolerance = max(lengths.max(), _off(cut, lengths, targets))
        if _off(balanced, lengths, targets) <= tolerance:
            chosen = balanced
    return {n: int(p) for name, p in zip(names, chosen, strict=True) for n in members[name]}


def _off(part: Indices, lengths: Indices, targets: Indices) -> int:
    """Return by how many records the worst part misses its size."""
    have = np.bincount(part, weights=lengths, minlength=len(targets))
    return int(np.abs(have - targets).max())


def _cut_groups(lengths: Indices, targets: Indices, parts: int) -> Indices:
    """Return the part of each group when their row is cut where the running total is nearest; none of `parts` empty."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    part = np.zeros(len(lengths), dtype=np.intp)
    start = 0
    for p, end in enumerate(np.cumsum(targets)[:-1]):
        stop = int(np.abs(ends - end).argmin())
        stop = min(max(stop, start + 1), len(lengths) - max(parts - p - 1, 0))
        part[stop:] = p + 1
        start = stop
    return part


def _balanced_groups(contents: Table, targets: Indices, parts: int) -> Indices:
    """Return the part of each group, the strata as near to their shares as moving single groups gets."""
    due = np.outer(targets, contents.sum(axis=0)) / targets.sum()
    have = np.zeros_like(due)
    part = np.full(len(contents), -1)
    groups_in = np.zeros(len(targets), dtype=int)

    def put(g: int, p: int) -> None:
        if part[g] >= 0:
            have[part[g]] -= contents[g]
            groups_in[part[g]] -= 1
        part[g] = p
        have[p] += contents[g]
        groups_in[p] += 1

    for g in np.argsort(-contents.sum(axis=1), kind="stable"):
        put(g, int(np.argmin(_change(have, contents[g], due))))
    for p in np.flatnonzero(groups_in[:parts] == 0):  # the smallest group that another part can spare
        spare = [g for g in range(len(part)) if groups_in[part[g]] > 1 or part[g] >= parts]
        put(min(spare, key=lambda g: contents[g].sum()), int(p))
    for _ in range(PASSES):
        before = part.copy()
        for g, here in enumerate(before):
            if here < parts and groups_in[here] == 1:
                continue
            have[here] -= contents[g]
            change = _change(have, contents[g], due)
            have[here] += contents[g]
            best = int(np.argmin(change))
            if change[best] < change[here] - 1e-9:
                put(g, best)
        if (part == before).all():
            break
    return part.astype(np.intp)


def _change(have: Table, added: Table, due: Table) -> Table:
    """Return by how much the distance from what is due changes for each part if it gets these records."""
    change: Table = (((have + added - due) ** 2 - (have - due) ** 2) / due).sum(axis=1)
    return change
