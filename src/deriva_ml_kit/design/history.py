"""What git keeps of a document: its text at a commit, and the status that it had before."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deriva_ml_kit.design.document import Design, parse


def git(folder: Path, *arguments: str) -> str | None:
    """What git answers in a folder; None where it refuses, or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def root_of(folder: Path) -> Path | None:
    """The folder of the git repository that a folder is in."""
    found = git(folder, "rev-parse", "--show-toplevel")
    return Path(found.strip()) if found else None


def at(file: Path, commit: str) -> Design | None:
    """The document as it was at a commit; None where the commit, or the file in it, is not there."""
    text = git(file.absolute().parent, "show", f"{commit}:./{file.name}")
    return None if text is None else parse(text, file)


def before(design: Design) -> Design | None:
    """The newest committed version that differs from the document as it is; None where there is none."""
    folder = design.file.absolute().parent
    commits = (git(folder, "log", "-2", "--format=%H", "--", f"./{design.file.name}") or "").split()
    versions = (at(design.file, commit) for commit in commits)
    return next((version for version in versions if version and version.text != design.text), None)


def is_repository(folder: Path) -> bool:
    """Whether a folder is in a git repository with a commit."""
    return git(folder, "rev-parse", "--verify", "--quiet", "HEAD") is not None
