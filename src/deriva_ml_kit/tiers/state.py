"""What runs, and where: the commit of a script and whether it says the truth, the Python and its packages.

In: the path of a script. Out: `Code`, with three calls of git; `Environment`, with none. Nothing is imported that takes
long.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from deriva_ml_kit import worktree
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.tiers.receipt import Code, Environment


def code_state(script: Path) -> Code:
    """Ask git which commit is checked out where a script lies, and whether files differ from it.

    Args:
        script: The script.

    Raises:
        DerivaMLWorkflowError: git is missing, the script is in no repository, or the repository has no commit.
    """
    script = script.resolve()
    known = _git(script.parent, "rev-parse", "--show-toplevel", "HEAD") if script.parent.is_dir() else None
    if known is None:
        raise _unknown(script)
    top, commit = known.rstrip("\n").split("\n")
    root = Path(top)
    return Code(
        commit=commit,
        dirty=bool(worktree.uncommitted_in(_git(root, *worktree.STATUS) or "")),
        repository=str(root),
        script=script.relative_to(root.resolve()).as_posix(),
        version=(_git(root, "describe", "--tags", "--always", "--dirty") or "").strip() or None,
    )


def changed_files(root: Path, commit: str) -> list[str] | None:
    """Files that differ between a commit and the one that is checked out; None if the repository has no such commit.

    Args:
        root: Folder of the repository.
        commit: The other commit.
    """
    found = _git(root, "diff", "--name-only", "--no-renames", "-z", f"{commit}^{{commit}}", "HEAD", "--")
    return None if found is None else [path for path in found.split("\0") if path]


def blob(root: Path, commit: str, path: str) -> str | None:
    """git's hash of a file in a commit; None if it is not there."""
    found = _git(root, "rev-parse", "--verify", "--quiet", f"{commit}:{path}")
    return found.strip() if found else None


@functools.cache
def environment() -> Environment:
    """The running Python, the platform, and every installed package in its version."""
    there = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: there[name] for name in sorted(there, key=str.lower)},
    )


def _git(folder: Path, *arguments: str) -> str | None:
    """Standard output of a git command; None if it failed or there is no git."""
    command = ["git", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _unknown(script: Path) -> Exception:
    """The error that says why git knows nothing of a script."""
    if not script.parent.is_dir():
        return UsageError(f"There is no folder {script.parent}.")
    from deriva_ml_kit.mainline.errors import DerivaMLWorkflowError  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.mainline.workflow import git  # noqa: PLC0415

    try:
        git.describe(script)
    except DerivaMLWorkflowError as error:
        return error
    return UsageError(f"git cannot say which commit is checked out for {script}.")
