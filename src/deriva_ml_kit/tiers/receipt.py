"""Receipts: what a tier has shown, as a document that nobody can change unnoticed.

In: what was run on what, and its checks. Out: JSON, sealed with this user's key; read again, or an error that says what
is wrong with it. A seal holds on this machine only; a receipt in the catalog is judged by the catalog's rows
(`tiers.catalog`).
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum
from pathlib import Path, PurePath
from typing import Any

import platformdirs
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from deriva_ml_kit.errors import Fault, Faults, UsageError

SCHEMA_VERSION = 1
TIERS = (1, 2, 3)
# What changes between runs without changing what is computed, or stands beside the configuration.
VOLATILE = frozenset(
    {
        "assets",
        "cache_dir",
        "catalog_id",
        "config_choices",
        "datasets",
        "deriva_ml",
        "description",
        "dry_run",
        "host",
        "hostname",
        "hydra",
        "override_tier",
        "parent_execution",
        "sequence",
        "swept",
        "tier",
        "working_dir",
    }
)
REPOSITORY_FOLDER = ".deriva-ml"
KEY_FILE = "receipts.key"


class Status(StrEnum):
    """What a check, or a receipt as a whole, says."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    INSUFFICIENT = "insufficient"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Part):
    """One thing that was looked at.

    Attributes:
        id: Name for programs.
        title: What is true if it passes.
        status: What came out; skip and insufficient are no pass.
        value: What was measured.
        limit: What it was compared with.
        detail: What is wrong, or why it was skipped.
        evidence: RID or file that shows it.
        remedy: What to do about it.
        required: Whether insufficient evidence keeps the receipt from passing.
    """

    id: str
    title: str
    status: Status
    value: Any = None
    limit: Any = None
    detail: str | None = None
    evidence: str | None = None
    remedy: str | None = None
    required: bool = True


class DatasetInput(_Part):
    """A dataset as an input.

    Attributes:
        role: The part that it plays in the configuration.
        rid: Its RID.
        version: Its version.
        records: How many records it holds, those of nested datasets included.
        types: Its terms of Dataset_Type.
    """

    role: str | None
    rid: str
    version: str
    records: int | None = None
    types: tuple[str, ...] = ()


class Code(_Part):
    """Which code runs.

    Attributes:
        commit: The commit that is checked out.
        dirty: Whether files differ from it.
        repository: Folder of the repository.
        script: Path of the script in it, with `/`.
        version: The nearest tag, as `git describe` says it.
    """

    commit: str
    dirty: bool
    repository: str
    script: str
    version: str | None = None


class Environment(_Part):
    """Where it ran: the version of Python, the platform, and package -> version."""

    python: str
    platform: str
    packages: dict[str, str]


class Override(_Part):
    """Somebody's decision to run a tier without the receipts that it asks for.

    Attributes:
        tier: The tier.
        reason: Why.
        by: Who.
        at: When.
        missing: What the gate asked for.
    """

    tier: int
    reason: str
    by: str
    at: AwareDatetime
    missing: tuple[str, ...]


class Receipt(_Part):
    """What a run of a tier has shown.

    Attributes:
        tier: 1, 2 or 3.
        name: Name of the run.
        made: When.
        hostname: Host of the catalog.
        catalog_id: The catalog.
        execution_rid: The execution; None in tier 1, which writes nothing.
        config: The configuration in its canonical form.
        config_hash: SHA-256 of that.
        code: What ran.
        datasets: On what.
        assets: RIDs of input assets.
        environment: Where.
        checks: What was looked at.
        verdict: What follows from the checks.
        profile: Ranges of the inputs, which later tiers compare with.
        estimate: What the next tiers will cost.
        swept: Keys of the configuration that a sweep varied.
        builds_on: Digests of the receipts that let this run begin.
        overrides: Every override that this run, or one that it builds on, was let in by.
        schema_version: Of this document.
        digest: SHA-256 of all of this but digest and seal.
        seal: HMAC-SHA256 of the digest, with a key that this user has on this machine.
    """

    schema_version: int = SCHEMA_VERSION
    tier: int
    name: str
    made: AwareDatetime
    hostname: str
    catalog_id: str
    execution_rid: str | None
    config: dict[str, Any]
    config_hash: str
    code: Code
    datasets: tuple[DatasetInput, ...]
    assets: tuple[str, ...]
    environment: Environment
    checks: tuple[Check, ...]
    verdict: Status
    profile: dict[str, Any] | None = None
    estimate: dict[str, Any] | None = None
    swept: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    digest: str = ""
    seal: str | None = None


@dataclass(frozen=True)
class Difference:
    """A key in which two configurations differ; `ABSENT` where one has no such key."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


class _Absent:
    def __repr__(self) -> str:
        return "(not set)"


ABSENT = _Absent()


@dataclass(frozen=True)
class Unusable:
    """A file among the receipts that proves nothing, and why."""

    path: Path
    reason: str


def verdict(checks: Iterable[Check]) -> Status:
    """What follows from checks: one that fails, fails all; nothing that passed is insufficient, too."""
    there = list(checks)
    if any(check.status is Status.FAIL for check in there):
        return Status.FAIL
    undecided = any(check.status is Status.INSUFFICIENT and check.required for check in there)
    passed = any(check.status is Status.PASS for check in there)
    return Status.INSUFFICIENT if undecided or not passed else Status.PASS


def canonical(config: Mapping[Any, Any]) -> dict[str, Any]:
    """A configuration in the one form that is compared: sorted plain values, without what does not change the work.

    Args:
        config: The resolved configuration: mappings, sequences, sets, texts, numbers, paths, dates, functions, classes.

    Raises:
        UsageError: It holds something else; names the key.
    """
    kept = _mapping({key: value for key, value in config.items() if str(key) not in VOLATILE}, "")
    if isinstance(kept.get("workflow"), dict):
        kept["workflow"].pop("description", None)
    return kept


def config_hash(config: Mapping[Any, Any]) -> str:
    """SHA-256 of a configuration's canonical form, hexadecimal."""
    return hashlib.sha256(_text(canonical(config)).encode()).hexdigest()


def difference(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> list[Difference]:
    """The keys in which two configurations differ, sorted; none exactly if their hashes are equal."""
    old, new = dict(_leaves(canonical(before))), dict(_leaves(canonical(after)))
    return [
        Difference(key, old.get(key, ABSENT), new.get(key, ABSENT))
        for key in sorted(old.keys() | new.keys())
        if key not in old or key not in new or _text(old[key]) != _text(new[key])
    ]


def document(receipt: Receipt) -> str:
    """A receipt as JSON text."""
    return json.dumps(_plain(receipt.model_dump(), ""), indent=2) + "\n"


def seal(receipt: Receipt) -> Receipt:
    """Give a receipt its digest and this user's seal; all else it holds as it will be read again."""
    digest = _digest(receipt)
    written = Receipt.model_validate(_plain(receipt.model_dump(), ""))
    return written.model_copy(update={"digest": digest, "seal": _sealed(digest)})


def receipts_folder(root: Path) -> Path:
    """The folder of local receipts in a repository; made when it is missing, and nothing that git would see."""
    folder = root / REPOSITORY_FOLDER / "receipts"
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder.parent / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
    return folder


def write(receipt: Receipt, folder: Path) -> Path:
    """Write a sealed receipt as a file of its own, whole or not at all, and return its path."""
    made = receipt.made.strftime("%Y%m%dT%H%M%S%f")
    path = folder / f"tier{receipt.tier}-{made}-{receipt.digest[:12]}.json"
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(document(receipt).encode())
    unfinished.replace(path)
    return path


def read(path: Path) -> Receipt:
    """Read a local receipt.

    Raises:
        Faults: It is no receipt, was edited, or was not sealed by this user on this machine.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    receipt = parse(content, str(path))
    if receipt.seal is None or not hmac.compare_digest(receipt.seal, _sealed(receipt.digest)):
        raise _refused(str(path), ["its seal is not that of this user on this machine: made elsewhere, or by hand"])
    return receipt


def parse(content: bytes, source: str) -> Receipt:
    """A receipt from its text, whoever sealed it.

    Args:
        content: The JSON.
        source: Where it comes from, for messages.

    Raises:
        Faults: It is no receipt of this version, or what it says of itself does not fit together; says all of it.
    """
    try:
        found = json.loads(content)
    except ValueError as error:
        raise _refused(source, [f"it is no complete JSON ({error})"]) from None
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        said = "none" if version is None else repr(version)
        raise _refused(source, [f"its schema version is {said}; this version of the kit reads {SCHEMA_VERSION}"])
    try:
        receipt = Receipt.model_validate(found)
    except ValidationError as error:
        raise _refused(source, [_told(each) for each in error.errors()]) from None
    if contradictions := list(_contradictions(receipt)):
        raise _refused(source, contradictions)
    return receipt


def local_receipts(root: Path) -> list[Receipt]:
    """The receipts in a repository that prove something, the newest first."""
    return local_files(root)[0]


def local_files(root: Path) -> tuple[list[Receipt], list[Unusable]]:
    """The receipts in a repository, the newest first, and the files beside them that prove nothing."""
    good: list[Receipt] = []
    bad: list[Unusable] = []
    for path in sorted((root / REPOSITORY_FOLDER / "receipts").glob("*.json")):
        try:
            good.append(read(path))
        except UsageError as error:
            reasons = [fault.message for fault in error.faults] if isinstance(error, Faults) else [error.message]
            bad.append(Unusable(path, "; ".join(reasons)))
    return sorted(good, key=lambda receipt: receipt.made, reverse=True), bad


def _contradictions(receipt: Receipt) -> Iterator[str]:
    """What an edited receipt gives away."""
    if receipt.tier not in TIERS:
        yield f"there is no tier {receipt.tier}"
    if receipt.config_hash != config_hash(receipt.config):
        yield "its configuration was edited: config_hash is that of another one"
    follows = verdict(receipt.checks)
    if receipt.verdict is not follows:
        yield f"its verdict is {receipt.verdict}, but its checks say {follows}"
    if not hmac.compare_digest(receipt.digest, _digest(receipt)):
        yield "it was edited after it was made: its digest does not fit what it says"


def _refused(source: str, reasons: Iterable[str]) -> Faults:
    faults = [Fault(reason, file=source) for reason in reasons]
    return Faults(
        faults, message="This receipt proves nothing:", remedy="Run that tier again; it writes a new receipt."
    )


def _told(error: Any) -> str:
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg'].lower()}"


def _digest(receipt: Receipt) -> str:
    content = _plain(receipt.model_dump(exclude={"digest", "seal"}), "")
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _sealed(digest: str) -> str:
    return hmac.new(_key(), digest.encode(), hashlib.sha256).hexdigest()


def _key() -> bytes:
    """This user's key, made when it is missing; two programs that make it at once get the same."""
    path = Path(platformdirs.user_data_dir("deriva-ml-kit", appauthor=False)) / KEY_FILE
    try:
        if not path.exists():
            _make_key(path)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{error.filename or path}, which keeps the key of your receipts, cannot be used: {error.strerror}."
        ) from None


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any, place: str) -> Any:  # noqa: PLR0911  (one line a kind)
    """A value as JSON holds it, the same for values that mean the same."""
    if isinstance(value, Enum):
        return _plain(value.value, place)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"_float_": repr(value)}
    if isinstance(value, PurePath | timedelta):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return _mapping(value.model_dump(), place)
    if is_dataclass(value) and not isinstance(value, type):
        return _mapping(asdict(value), place)
    if isinstance(value, Mapping):
        return _mapping(value, place)
    if isinstance(value, AbstractSet):
        return sorted((_plain(item, place) for item in value), key=_text)
    if hasattr(value, "tolist"):  # numbers and arrays of numpy
        return _plain(value.tolist(), place)
    if inspect.isroutine(value) or isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Sequence):
        return [_plain(item, f"{place}.{number}") for number, item in enumerate(value)]
    raise UsageError(
        f"{place} is a {type(value).__name__}, which cannot be recorded.",
        remedy="Give numbers, texts, lists and mappings, or a _target_ that makes the object.",
    )


def _mapping(value: Mapping[Any, Any], place: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name, here = str(key), f"{place}.{key}" if place else str(key)
        if name in plain:
            raise UsageError(f"{here} is there twice, as a text and as a {type(key).__name__}.")
        plain[name] = _plain(item, here)
    return dict(sorted(plain.items()))


def _leaves(value: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in a plain mapping; an empty mapping is a value, too."""
    for key, item in value.items():
        name = json.dumps(key) if not key or "." in key or '"' in key else key
        here = f"{place}.{name}" if place else name
        if isinstance(item, dict) and item and "_float_" not in item:
            yield from _leaves(item, here)
        else:
            yield here, item


def _shown(value: Any) -> str:
    return repr(value) if value is ABSENT else _text(value)
