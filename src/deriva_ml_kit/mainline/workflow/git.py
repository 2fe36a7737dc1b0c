"""What git knows about the running script: repository, commit, blob, changes that no commit holds.

In: the path of a script. Out: a Source, or an error that says which git command to type.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deriva_ml_kit import worktree
from deriva_ml_kit.mainline.errors import DerivaMLWorkflowError


@dataclass(frozen=True)
class Source:
    """Where a script comes from.

    Attributes:
        root: Folder of the repository.
        path: The script inside it, with `/`.
        commit: Last commit that changed the script; the current one if none did.
        checksum: git's hash of the file as it is now.
        remote: URL of `origin` without credentials and `.git`; None without a remote.
        dirty_paths: Changed and untracked files, relative to the repository.
    """

    root: Path
    path: str
    commit: str
    checksum: str
    remote: str | None
    dirty_paths: tuple[str, ...]

    @property
    def url(self) -> str:
        """A browsable address at the remote; without a remote, the SWHID of file, commit and path.

        A SWHID (https://swhid.org) is made of git's own hashes: whoever has the repository can find the file by it.
        """
        if self.remote:
            return f"{self.remote}/blob/{self.commit}/{self.path}"
        return f"swh:1:cnt:{self.checksum};anchor=swh:1:rev:{self.commit};path=/{self.path}"


def describe(script: Path) -> Source:
    """What git knows about a script.

    Raises:
        DerivaMLWorkflowError: git is missing, the script is in no repository, or the repository has no commit.
    """
    script = script.resolve()
    root = _root(script)
    path = script.relative_to(root).as_posix()
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1))
    if not head:
        raise DerivaMLWorkflowError(
            f"The git repository {root} has no commit yet, so a run could not say which code ran.",
            remedy=f"Commit the script first:\n  cd {root}\n  git add -A && git commit -m 'First version'",
        )
    return Source(
        root=root,
        path=path,
        commit=_git(root, "log", "-n", "1", "--format=%H", "--", path) or head,
        checksum=_git(root, "hash-object", "--", path),
        remote=without_credentials(_git(root, "remote", "get-url", "origin", ok=(0, 2, 128))) or None,
        dirty_paths=tuple(uncommitted(root)),
    )


def uncommitted(root: Path) -> list[str]:
    """Files that differ from the last commit or that git does not know, by main line's rules (see `worktree`)."""
    return worktree.uncommitted_in(_git(root, *worktree.STATUS))


def without_credentials(remote: str) -> str:
    """A remote's URL as it may be recorded: no user, no token, no `.git`; ssh forms stay as they are."""
    return re.sub(r"^(https?://)[^/@]*@", r"\1", remote).removesuffix("/").removesuffix(".git")


def blob_hash(content: bytes) -> str:
    """git's hash of a file's content, without git."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def described_version(root: Path) -> str:
    """The nearest tag and the commit, as `git describe` says it."""
    return _git(root, "describe", "--tags", "--always", "--dirty")


def _root(script: Path) -> Path:
    try:
        root = _git(script.parent, "rev-parse", "--show-toplevel", ok=(0, 128))
    except FileNotFoundError:
        raise DerivaMLWorkflowError(
            "git is not installed, and without it a run cannot say which code ran.",
            remedy="Install it (https://git-scm.com/downloads) and commit the script.",
        ) from None
    if not root:
        raise DerivaMLWorkflowError(
            f"{script} is in no git repository (or in one that git refuses to read), "
            "so a run could not say which code ran.",
            remedy=f"Make one and commit:\n  cd {script.parent}\n  git init\n"
            "  git add -A && git commit -m 'First version'\n"
            "If there is one, `git status` in that folder says what is wrong with it.",
        )
    return Path(root)


def _git(folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """Standard output of a git command, without the last line break; empty where it failed in a foreseen way."""
    command = ["git", "-c", "core.quotePath=false", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode not in ok:
        said = done.stderr.decode(errors="replace").strip()
        raise DerivaMLWorkflowError(f"git {arguments[0]} failed in {folder}: {said}")
    return os.fsdecode(done.stdout).rstrip("\n") if done.returncode == 0 else ""
