"""What a receipt still says about another run: which tier has to be played again after a change, and why.

In: a receipt, what is to run now, the files that changed in between. Out: reasons. Pure: nothing is read or asked.

    config values, documents                        tier 1 again
    code, data pipeline, another dataset version    tier 2 again
    another dataset, epochs and the like, swept     nothing: that is what tiers differ in
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deriva_ml_kit.tiers.receipt import Code, DatasetInput, Difference, Receipt, Status, difference

MODEL = "model_config"
TARGET = "_target_"
SCALE_KEYS = frozenset({"epochs", "max_epochs", "num_epochs", "max_steps", "num_steps", "steps", "limit_batches"})
SMALL_RECORDS = 200
SMALL_TYPE = "Development"

DOCUMENTS = frozenset({".md", ".rst", ".png", ".svg", ".jpg", ".pdf"})
DOCUMENT_NAMES = frozenset({"LICENSE", "NOTICE", "CITATION.cff", ".gitignore", ".gitattributes"})
DOCUMENT_FOLDERS = frozenset({"docs", "doc", "tests", "test", ".github", ".vscode", ".claude"})
CONFIG_FOLDERS = frozenset({"configs", "config", "conf"})
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Request:
    """A run that asks to begin.

    Attributes:
        tier: Its tier.
        name: Its name.
        hostname: Host of the catalog.
        catalog_id: The catalog.
        config: The configuration.
        code: What would run.
        datasets: On what.
        assets: RIDs of input assets.
        swept: Keys of the configuration that a sweep varies.
        root: Folder of the repository.
        command: What a person types to run it.
    """

    tier: int
    name: str
    hostname: str
    catalog_id: str
    config: Mapping[str, Any]
    code: Code
    datasets: tuple[DatasetInput, ...]
    assets: tuple[str, ...]
    root: Path
    swept: frozenset[str] = frozenset()
    command: str | None = None


@dataclass(frozen=True)
class Reentry:
    """Where to enter the tiers again.

    Attributes:
        tier: The first tier to play again; 3 if nothing has to be.
        reasons: Why.
    """

    tier: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Misfit:
    """A receipt that does not let a run begin.

    Attributes:
        receipt: The receipt.
        reasons: Why not.
        differences: Keys of the configuration that may not differ.
    """

    receipt: Receipt
    reasons: tuple[str, ...]
    differences: tuple[Difference, ...] = ()


def reentry(before: Receipt, request: Request, changed_files: Sequence[str] | None) -> Reentry:
    """Decide which tier a change goes back to.

    Args:
        before: A receipt of tier 2.
        request: What is to run now.
        changed_files: Files that differ between both commits; None if the repository does not have the older one.
    """
    if again := (*_pipeline(before, request), *_code(before, request, changed_files)):
        return Reentry(2, again)
    if again := tuple(_settings(before, request)):
        return Reentry(1, again)
    return Reentry(3)


def misfit(first: Receipt, request: Request, *, exact: bool) -> Misfit | None:
    """Why a receipt of tier 1 does not let a run begin; None if it does.

    Args:
        first: The receipt.
        request: What is to run now.
        exact: Whether scale may not differ either.
    """
    reasons = [*_state(first, request), *_data(first.datasets, request.datasets)]
    if first.assets != request.assets:
        reasons.append(f"it had other input assets: {_listed(first.assets)}, now {_listed(request.assets)}")
    differing = [
        each for each in difference(first.config, request.config) if not allowed(each.key, request, exact=exact)
    ]
    if differing:
        reasons.append("it was made with another configuration:")
    return Misfit(first, tuple(reasons), tuple(differing)) if reasons else None


def allowed(key: str, request: Request, *, exact: bool = False) -> bool:
    """Whether a key of the configuration may differ from the tier before: swept ones may, and scale unless `exact`."""
    if key.rpartition(".")[2] == TARGET:
        return False
    swept = any(key == each or key.startswith(f"{each}.") for each in request.swept if each.startswith(MODEL))
    return swept or (is_scale(key) and not exact)


def is_scale(key: str) -> bool:
    """Whether a key says how much is computed, not what."""
    return key.startswith(f"{MODEL}.") and key.rpartition(".")[2] in SCALE_KEYS


def natural_tier(datasets: Sequence[DatasetInput]) -> int:
    """The tier of a real run by its datasets: 2 if they are small, or all made for development; else 3."""
    small = sum(each.records or 0 for each in datasets) <= SMALL_RECORDS and None not in {d.records for d in datasets}
    return 2 if datasets and (small or all(SMALL_TYPE in each.types for each in datasets)) else 3


def harmless(path: str, config: Mapping[str, Any]) -> bool:
    """Whether a change of a file leaves code and data as they were: documents, tests, and values of configurations.

    What a configuration says is compared by itself. Its folder holds code, too, where the configuration names a
    function in it.
    """
    place = PurePosixPath(path)
    if place.suffix in DOCUMENTS or place.name in DOCUMENT_NAMES or place.parts[0] in DOCUMENT_FOLDERS:
        return True
    inside = place.parts[1:-1] if place.parts[0] == "src" else place.parts[:1] if len(place.parts) > 1 else ()
    return bool(inside) and inside[0] in CONFIG_FOLDERS and not CONFIG_FOLDERS & _packages(config)


def _state(first: Receipt, request: Request) -> Iterator[str]:
    """Why a receipt is not about this code in this catalog, or proves nothing."""
    if first.verdict is not Status.PASS:
        unmet = [check.id for check in first.checks if check.status is first.verdict]
        yield f"it did not pass: {first.verdict} ({_listed(unmet)})"
    yield from _uncommitted(first, request)
    if first.code.commit != request.code.commit:
        yield f"it was made at another commit, {first.code.commit[:10]}; now {request.code.commit[:10]}"
    if first.code.script != request.code.script:
        yield f"it is about another script, {first.code.script}"
    yield from _place(first, request)


def _place(before: Receipt, request: Request) -> Iterator[str]:
    if (before.hostname, before.catalog_id) != (request.hostname, request.catalog_id):
        there, here = (f"{each.catalog_id} on {each.hostname}" for each in (before, request))
        yield f"it is about another catalog, {there}; now {here}"


def _pipeline(before: Receipt, request: Request) -> Iterator[str]:
    """Changes of what data go where."""
    yield from _place(before, request)
    yield from _data(before.datasets, request.datasets)
    for each in difference(before.config, request.config):
        if each.key.rpartition(".")[2] == TARGET:
            yield f"another function runs: {each}"


def _data(before: Sequence[DatasetInput], now: Sequence[DatasetInput]) -> Iterator[str]:
    """Another dataset in a role is no change; another version of the same one is, and other roles are."""
    versions = {each.rid: each.version for each in before}
    for each in now:
        if versions.get(each.rid, each.version) != each.version:
            yield f"dataset {each.rid} was in version {versions[each.rid]}, now in {each.version}"
    if Counter(each.role for each in before) != Counter(each.role for each in now):
        yield f"its datasets had other roles: {_roles(before)}, now {_roles(now)}"


def _code(before: Receipt, request: Request, changed_files: Sequence[str] | None) -> Iterator[str]:
    yield from _uncommitted(before, request)
    if before.code.script != request.code.script:
        yield f"it is about another script, {before.code.script}"
    if changed_files is None:
        yield f"its commit {before.code.commit[:10]} is not in this repository: another project, or not fetched"
    elif changed := [path for path in changed_files if not harmless(path, request.config)]:
        yield f"code has changed since: {_listed(changed)}"


def _uncommitted(before: Receipt, request: Request) -> Iterator[str]:
    if before.code.dirty:
        yield "it was made with uncommitted changes"
    if request.code.dirty:
        yield "there are uncommitted changes now"


def _settings(before: Receipt, request: Request) -> Iterator[str]:
    """Changes that a dry run tries."""
    for each in difference(before.config, request.config):
        if not allowed(each.key, request):
            yield f"the configuration has changed: {each}"
    if before.assets != request.assets:
        yield f"other input assets: {_listed(before.assets)}, now {_listed(request.assets)}"
    if before.code.commit != request.code.commit:
        yield f"another commit, {before.code.commit[:10]}, differs in documents and configuration"


def _packages(config: Any) -> set[str]:
    """Names of the packages and modules that a configuration's functions are in."""
    if isinstance(config, Mapping):
        own = re.split(r"\.", str(config[TARGET]))[:-1] if TARGET in config else []
        return set(own).union(*(_packages(item) for item in config.values()))
    if isinstance(config, Sequence) and not isinstance(config, str):
        return set().union(*(_packages(item) for item in config))
    return set()


def _roles(datasets: Sequence[DatasetInput]) -> str:
    return ", ".join(each.role or "(none)" for each in datasets) or "no datasets"


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:SHOWN]) or "none"
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
