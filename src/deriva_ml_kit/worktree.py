"""Which changes of a git working tree count, in one place: runs and releases refuse uncommitted ones."""

from __future__ import annotations

import os
from collections.abc import Sequence

# Results and notes that a run itself leaves behind do not change what ran.
IGNORED_PREFIXES = ("findings/", "outputs/", ".scratch/")
IGNORE_VARIABLE = "DERIVA_ML_DIRTY_CHECK_IGNORE"
STATUS = ("status", "--porcelain", "--untracked-files=all", "-z")


def uncommitted_in(status: str) -> list[str]:
    """Files that differ from the last commit or that git does not know, by main line's rules.

    The whole repository counts, but for `findings/`, `outputs/`, `.scratch/` and the prefixes named in
    DERIVA_ML_DIRTY_CHECK_IGNORE (separated by colons).

    Args:
        status: What git says to the arguments STATUS.
    """
    named = [prefix for prefix in os.environ.get(IGNORE_VARIABLE, "").split(":") if prefix]
    paths = changed_paths(status.split("\0"))
    return [path for path in paths if not path.startswith((*IGNORED_PREFIXES, *named))]


def changed_paths(entries: Sequence[str]) -> list[str]:
    """Paths from the NUL-separated entries of `git status --porcelain -z`; of a rename, the new one."""
    paths: list[str] = []
    remaining = iter(entries)
    for entry in remaining:
        if not entry:
            continue
        status, path = entry[:2], entry[3:]
        if "R" in status or "C" in status:
            next(remaining, None)  # the name it had before
        paths.append(path)
    return paths
