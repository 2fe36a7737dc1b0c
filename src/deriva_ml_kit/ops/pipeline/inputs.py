"""What a stage depends on, and the key that stands for it.

Files are known by git's hash of their content, datasets by RID and version, files of the catalog by RID and checksum,
tables by their number of rows and the time of the last change.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from deriva.core import urlquote
from pydantic import BaseModel, ConfigDict

from deriva_ml_kit import worktree
from deriva_ml_kit.datasets.pins import read_pins
from deriva_ml_kit.errors import Fault, Faults, KitError, UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.execution.fetching import described
from deriva_ml_kit.mainline.workflow.git import blob_hash
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.ops.pipeline.definition import Pipeline, Stage, filled, placeholders

PINS = "src/configs/datasets.toml"
DEFAULT_CODE = ("src", "uv.lock")


class StageInputs(BaseModel):
    """What a stage depends on.

    Attributes:
        command: Its commands, with the values of parameters, without RIDs and hosts.
        code: Path to git's hash.
        files: Likewise.
        datasets: Name of a pin to `RID@VERSION`.
        assets: RID to MD5.
        tables: `SCHEMA:TABLE` to how it is now.
        needs: Earlier stage to the digest of what it left.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...]
    code: dict[str, str]
    files: dict[str, str]
    datasets: dict[str, str]
    assets: dict[str, str]
    tables: dict[str, str]
    needs: dict[str, str]

    @property
    def key(self) -> str:
        """SHA-256 of all of it, hexadecimal."""
        return digest(self.model_dump(mode="json"))


def digest(content: Any) -> str:
    """SHA-256 of what JSON can hold, whatever the order of its names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def inputs_of(ml: DerivaML, root: Path, pipeline: Pipeline, stage: Stage, left: Mapping[str, str]) -> StageInputs:
    """Look everything up that a stage depends on.

    Args:
        ml: The catalog.
        root: The project's folder.
        pipeline: All stages.
        stage: One of them.
        left: Earlier stage to the digest of what it left.

    Raises:
        Faults: Files, pins, RIDs or tables that are not there.
    """
    parameters = {f"parameter.{name}": str(value) for name, value in pipeline.parameters.items()}
    used = {name for command in stage.command for name in placeholders(command)}
    named = {name: value for name, value in parameters.items() if name in used}
    faults: list[Fault] = []
    made = StageInputs(
        command=tuple(" ".join(filled(command, named)) for command in stage.command),
        code=_code(root, pipeline, stage, faults),
        files=_hashes(root, stage.files, f"stages.{stage.name}.files", faults),
        datasets=_pinned(root, stage, faults),
        assets=_checksums(ml, stage.assets),
        tables={name: _state(ml, name, stage, faults) for name in stage.tables},
        needs={name: left[name] for name in stage.needs},
    )
    if faults:
        raise Faults(faults, message=f"Stage {stage.name} lacks what it reads; it was not run.")
    return made


def changes(before: StageInputs, now: StageInputs) -> list[str]:
    """In what two sets of inputs differ, for people."""
    told: list[str] = []
    if before.command != now.command:
        told.append("its command")
    for kind in ("code", "files", "datasets", "assets", "tables", "needs"):
        one: dict[str, str] = getattr(before, kind)
        two: dict[str, str] = getattr(now, kind)
        names = [name for name in sorted(one.keys() | two.keys()) if one.get(name) != two.get(name)]
        word = {"needs": "what was left by", "tables": "table", "datasets": "dataset"}.get(kind, "")
        told += [f"{word} {name}".strip() for name in names]
    return told


def uncommitted(root: Path) -> list[str]:
    """Files that differ from the last commit, or that git does not know.

    Raises:
        UsageError: The folder is in no repository, or that has no commit.
    """
    if _git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise UsageError(
            f"{root} is in no git repository with a commit, so nobody could say which pipeline ran.",
            remedy="Make one and commit: git init && git add -A && git commit -m 'First version'",
        )
    return worktree.uncommitted_in(_git(root, *worktree.STATUS) or "")


def head(root: Path) -> str:
    """The commit that is checked out."""
    return (_git(root, "rev-parse", "HEAD") or "").strip()


def commit(root: Path, files: Collection[str], message: str) -> None:
    """Commit some files, and nothing else.

    Raises:
        KitError: git refused.
    """
    for words in (("add", "--", *files), ("commit", "--quiet", "-m", message, "--", *files)):
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KitError(f"git {words[0]} failed in {root}: {(done.stderr or done.stdout).strip()}")


def _code(root: Path, pipeline: Pipeline, stage: Stage, faults: list[Fault]) -> dict[str, str]:
    """Committed files by their patterns, and every committed file that the commands name."""
    committed = _blobs(root, ["."])
    words = [word for command in stage.command for word in filled(command, {})]
    paths = {posixpath.normpath(each) for word in words for each in (word, word.partition("=")[2])}
    named = {path: committed[path] for path in paths & committed.keys()}
    if stage.code is None:
        whole = _blobs(root, DEFAULT_CODE)
        return named | {path: blob for path, blob in whole.items() if path not in pipeline.committed}
    found = dict(named)
    for pattern in stage.code:
        here = _blobs(root, [f":(glob){pattern}"]) or _blobs(root, [pattern])
        if not here:
            faults.append(
                Fault("no committed file has this path or pattern", column=f"stages.{stage.name}.code", value=pattern)
            )
        found |= here
    return found


def _blobs(root: Path, patterns: Collection[str]) -> dict[str, str]:
    """Path to git's hash of committed files; the working tree does not differ from them."""
    listed = _git(root, "ls-files", "-z", "--stage", "--", *patterns) or ""
    return {entry.partition("\t")[2]: entry.split()[1] for entry in listed.split("\0") if entry}


def _hashes(root: Path, files: Collection[str], place: str, faults: list[Fault]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in files:
        file = root / name
        if file.is_file():
            found[name] = blob_hash(file.read_bytes())
        else:
            faults.append(Fault("there is no such file", column=place, value=name))
    return found


def _pinned(root: Path, stage: Stage, faults: list[Fault]) -> dict[str, str]:
    pins = read_pins(root / PINS)
    for name in stage.datasets:
        if name not in pins:
            faults.append(
                Fault(
                    f"{PINS} has no such pin",
                    column=f"stages.{stage.name}.datasets",
                    value=name,
                    remedy=suggestion(name, pins),
                )
            )
    return {name: pins[name] for name in stage.datasets if name in pins}


def _checksums(ml: DerivaML, rids: Collection[str]) -> dict[str, str]:
    return {rid: asset.md5 for rid, (asset, _) in described(ml, rids).items()} if rids else {}


def _state(ml: DerivaML, name: str, stage: Stage, faults: list[Fault]) -> str:
    schema, _, table = name.partition(":")
    if schema not in ml.model.schemas or table not in ml.model.schemas[schema].tables:
        known = [f"{each.name}:{one}" for each in ml.model.schemas.values() for one in each.tables]
        faults.append(
            Fault(
                "there is no such table",
                column=f"stages.{stage.name}.tables",
                value=name,
                remedy=suggestion(name, known),
            )
        )
        return ""
    path = f"/aggregate/{urlquote(schema, '')}:{urlquote(table, '')}/n:=cnt(RID),last:=max(RMT)"
    (row,) = ml.catalog.get(path).json()
    return f"{row['n']} rows, changed {row['last']}"


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UsageError("git is not installed.", remedy="Install it (https://git-scm.com/downloads).") from None
    return done.stdout if done.returncode == 0 else None
