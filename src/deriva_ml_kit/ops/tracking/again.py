"""The same run at the same commit: a worktree of the project, the command as it was recorded, the new execution.

The worktree lies in a temporary folder and goes away with it; the project's own folder is not touched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deriva_ml_kit.errors import Undecidable
from deriva_ml_kit.ops import child
from deriva_ml_kit.ops.tracking.recorded import Recorded
from deriva_ml_kit.runner.overrides import key_of

RUNNER = "deriva_ml_kit.runner.command"
NOTE = "DERIVA_ML_SAVE_EXECUTION_RID"
# Overrides that say where and within what a run was played, not what it is.
PLACE = {"deriva_ml", "dry_run", "override_tier", "parent_execution", "sequence", "sweep", "swept"}
HOSTS, CATALOGS = ("--hostname", "--host"), ("--catalog-id", "--catalog")
SAID = 2000  # characters of what a failed run said


@dataclass(frozen=True)
class Attempt:
    """A run that was made again.

    Attributes:
        execution: RID of its execution.
        exit_code: How its program ended.
    """

    execution: str
    exit_code: int


def resolve(root: Path, run: Recorded) -> str:
    """The commit to check out.

    Raises:
        Undecidable: The repository does not have it, or is none.
    """
    if _git(root, "rev-parse", "--show-toplevel") is None:
        raise Undecidable(
            f"{root} is in no git repository, so the code of execution {run.rid} is not here.",
            remedy="Go into a clone of the project's repository.",
        )
    for revision in (*run.revisions, *filter(None, [run.script_commit])):
        if commit := _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"):
            return commit
    wanted = next(iter((*run.revisions, *filter(None, [run.script_commit]))), "its commit")
    raise Undecidable(
        f"Execution {run.rid} ran at {wanted}, which the repository {root} does not have.",
        remedy="Fetch it (git fetch --all --tags), or go into the clone in which it ran.",
    )


def command(run: Recorded, hostname: str, catalog_id: str, *, locked: bool = False) -> list[str]:
    """What is typed in the worktree.

    Args:
        run: The run.
        hostname: Host of the catalog, as it is called now.
        catalog_id: The catalog.
        locked: By uv, in the environment that the commit's uv.lock describes, instead of this one.

    Raises:
        Undecidable: The execution is of a sweep as a whole, or left no command line.
    """
    python = ["uv", "run", "--frozen", "python"] if locked else [sys.executable]
    reason = f"reproduces execution {run.rid}"
    if run.overrides is not None:
        words = [word for word in run.overrides if key_of(word).partition(".")[0] not in PLACE]
        where = ["--host", hostname, "--catalog", catalog_id, "--override-tier", reason]
        config = ["--config-name", run.config_name] if run.config_name else []
        return [*python, "-m", RUNNER, *config, *where, *words]
    if not run.argv or Path(run.argv[0]).name != Path(run.script).name:
        raise Undecidable(
            f"Execution {run.rid} left no command line of {run.script}, but {' '.join(run.argv) or 'none'}.",
            remedy="Where it is a sweep as a whole, reproduce its parts: they are its nested executions.",
        )
    words = _placed(list(run.argv[1:]), hostname, catalog_id)
    if run.root:  # files that were named by their whole path lay in the folder of that time
        top = "" if run.folder == "." else f"{os.path.relpath('.', run.folder)}/"
        words = [word.replace(f"{run.root}/", top) for word in words]
    if run.gated and "--override-tier" not in words:
        words += ["--override-tier", reason]
    return [*python, os.path.relpath(run.script, run.folder), *words]


@contextmanager
def worktree(root: Path, commit: str) -> Iterator[Path]:
    """The project as it was at a commit, in a temporary folder.

    Raises:
        Undecidable: git could not check it out.
    """
    with tempfile.TemporaryDirectory(prefix="deriva-ml-again-") as folder:
        there = Path(folder, root.resolve().name)
        quiet = ("-c", "core.hooksPath=/dev/null")
        made = subprocess.run(
            ["git", *quiet, "worktree", "add", "--quiet", "--detach", str(there), commit],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise Undecidable(f"git cannot check out {commit}: {made.stderr.strip()}")
        try:
            yield there
        finally:
            subprocess.run(
                ["git", "worktree", "remove", "--force", str(there)], cwd=root, capture_output=True, check=False
            )


def play(words: Sequence[str], run: Recorded, there: Path, note: Path) -> Attempt:
    """Run the command in the worktree, where it was started before; what it prints is shown if it fails.

    Args:
        words: See `command`.
        run: The first run.
        there: The worktree.
        note: A file for the RID of the new execution.

    Raises:
        Undecidable: It ended before it began an execution.
    """
    folder = there / run.folder
    with tempfile.TemporaryFile() as said:
        code = child.run(words, folder if folder.is_dir() else there, {NOTE: str(note)}, said)
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if not note.exists():
        raise Undecidable(
            f"The run could not be made again; its command ended with {code}:\n{text[-SAID:]}",
            remedy="Correct what it says, such as a missing library, and try again.",
        )
    if code:
        print(text[-SAID:], file=sys.stderr)
    return Attempt(str(json.loads(note.read_text(encoding="utf-8"))["execution_rid"]), code)


def _placed(words: list[str], hostname: str, catalog_id: str) -> list[str]:
    """A command line that names the catalog as it is called now."""
    placed: list[str] = []
    remaining = iter(words)
    for word in remaining:
        name, equals, _ = word.partition("=")
        value = hostname if name in HOSTS else catalog_id if name in CATALOGS else None
        if value is None:
            placed.append(word)
        elif equals:
            placed.append(f"{name}={value}")
        else:
            next(remaining, None)
            placed += [name, value]
    return placed


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Undecidable("git is not installed.", remedy="Install it (https://git-scm.com/downloads).") from None
    return done.stdout.strip() if done.returncode == 0 else None
