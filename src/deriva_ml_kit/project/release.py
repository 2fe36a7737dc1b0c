"""The version of a project: which part to raise, and the tag that says it.

A project's version is a git tag such as v0.2.1, and a run at that commit records it. Where pyproject.toml holds a
version of its own, that is changed and committed first. Nothing leaves this machine unless it is asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deriva_ml_kit import worktree
from deriva_ml_kit.errors import KitError, Undecidable, UsageError
from deriva_ml_kit.project.changes import Change, Evidence, Part, judge

FIRST = "v0.1.0"
TAG = re.compile(r"(?P<prefix>v?)(?P<major>\d+)\.(?P<minor>\d+)\.(?P<patch>\d+)")
PUSH_SECONDS = 60
SHOWN_PATHS = 10


@dataclass(frozen=True, order=True)
class Version:
    """A version as a tag says it."""

    major: int
    minor: int
    patch: int
    prefix: str = "v"

    @staticmethod
    def of(tag: str) -> Version | None:
        """Read a tag; None if it is no version."""
        if not (found := TAG.fullmatch(tag)):
            return None
        return Version(int(found["major"]), int(found["minor"]), int(found["patch"]), found["prefix"])

    def raised(self, part: Part) -> Version:
        """The next version."""
        if part is Part.major:
            return Version(self.major + 1, 0, 0, self.prefix)
        if part is Part.minor:
            return Version(self.major, self.minor + 1, 0, self.prefix)
        return Version(self.major, self.minor, self.patch + 1, self.prefix)

    @property
    def number(self) -> str:
        """Without the prefix."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """As git knows it."""
        return f"{self.prefix}{self.number}"


@dataclass(frozen=True)
class Standing:
    """Where a repository stands.

    Attributes:
        root: Its folder.
        branch: The branch; None where HEAD is detached.
        commit: The current commit.
        latest: The highest version of which this commit is a descendant; None before the first.
        tagged: The version that this very commit has; None if it has none.
        uncommitted: Files that no commit holds.
    """

    root: Path
    branch: str | None
    commit: str
    latest: Version | None
    tagged: Version | None
    uncommitted: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """A version that was given, or that would be.

    Attributes:
        version: The version.
        commit: The commit that has the tag; the current one in a dry run.
        file: The file whose version was changed and committed, if there is one.
        pushed: Whether tag and branch are at the remote; None if nobody asked.
        push_problem: Why they are not.
    """

    version: Version
    commit: str
    file: str | None = None
    pushed: bool | None = None
    push_problem: str | None = None


def standing(folder: Path) -> Standing:
    """Look at the repository that holds a folder.

    Raises:
        UsageError: No git, no repository, or no commit in it.
        Undecidable: The clone is shallow and holds no tag, so the version before is not known.
    """
    try:
        root = Path(_git(folder, "rev-parse", "--show-toplevel"))
    except FileNotFoundError:
        raise UsageError("git is not installed.", remedy="Install it: https://git-scm.com/downloads") from None
    except GitFailed as failed:
        raise UsageError(f"{folder} is in no git repository: {failed.said}", remedy="git init") from None
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    except GitFailed:
        raise UsageError(
            f"The git repository {root} has no commit yet.",
            remedy="git add -A && git commit -m 'First version'",
        ) from None
    latest = max(_versions(root, "--merged"), default=None)
    if latest is None and _git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise Undecidable(
            "This clone is shallow and holds no version tag, so the last version is not known.",
            remedy="git fetch --unshallow --tags",
        )
    return Standing(
        root=root,
        branch=_git(root, "branch", "--show-current") or None,
        commit=commit,
        latest=latest,
        tagged=max(_versions(root, "--points-at"), default=None),
        uncommitted=tuple(worktree.uncommitted_in(_git(root, *worktree.STATUS))),
    )


def evidence(now: Standing) -> list[Evidence]:
    """What each file that has changed since the last version asks for; empty before the first."""
    return judge(list(_changes(now.root, now.latest.tag))) if now.latest else []


def check(now: Standing) -> None:
    """Refuse to give a version where it would not say what runs.

    Raises:
        UsageError: Uncommitted changes, a commit that has a version, or no branch.
    """
    if now.uncommitted:
        shown = [f"  {path}" for path in now.uncommitted[:SHOWN_PATHS]]
        if len(now.uncommitted) > SHOWN_PATHS:
            shown.append(f"  … and {len(now.uncommitted) - SHOWN_PATHS} more")
        raise UsageError(
            "There are uncommitted changes, which the version would not hold:\n" + "\n".join(shown),
            remedy="git add -A && git commit -m '…', then the same command again",
        )
    if now.tagged:
        raise UsageError(
            f"This commit is {now.tagged.tag} already; nothing has changed since.",
            remedy="Commit a change first. To see where it is: git log -1 --decorate",
        )
    if now.branch is None:
        raise UsageError(
            f"HEAD is detached at {now.commit[:10]}, so the version would be on no branch.",
            remedy="git switch BRANCH, or git switch -c NEW-BRANCH to make one here",
        )


def following(now: Standing, part: Part, first: str = FIRST) -> Version:
    """The version that raising a part leads to; before there is any, the first one, whatever the part.

    Raises:
        UsageError: Another commit has it, one that this branch does not descend from; or `first` is no version.
    """
    version = now.latest.raised(part) if now.latest else Version.of(first)
    if version is None:
        raise UsageError(f"{first!r} is no version.", remedy=f"Write it as {FIRST}.")
    if version.number in {other.number for other in _versions(now.root)}:
        raise UsageError(
            f"{version.tag} exists already, at a commit that {now.branch} does not descend from.",
            remedy=f"Merge that commit (git merge {version.tag}), or raise another part of the version.",
        )
    return version


def release(now: Standing, part: Part, *, first: str = FIRST, push: bool = False, dry_run: bool = False) -> Release:
    """Give the current commit its version.

    Args:
        now: From `standing`.
        part: Part to raise.
        first: The version that a project without any gets.
        push: Push branch and tag to `origin` too; where that fails, the version stands all the same.
        dry_run: Only say what would be.

    Raises:
        UsageError: As for `check` and `following`.
        KitError: git refused to commit or to tag, in its own words.
    """
    check(now)
    version = following(now, part, first)
    file = now.root / "pyproject.toml"
    stated = _stated_version(file)
    changed = [file.name] if stated not in (None, version.number) else []
    if dry_run:
        return Release(version, now.commit, changed[0] if changed else None)
    if changed:
        _state(now.root, str(stated), version.number)
    _git(now.root, "tag", "--annotate", version.tag, "--message", f"Version {version.number}")
    problem = _push(now, version) if push else None
    return Release(
        version=version,
        commit=_git(now.root, "rev-parse", "HEAD"),
        file=changed[0] if changed else None,
        pushed=problem is None if push else None,
        push_problem=problem,
    )


def _versions(root: Path, *which: str) -> Iterator[Version]:
    """Versions among the tags: all, `--merged` into HEAD, or those that `--points-at` it."""
    tags = _git(root, "tag", "--list", *(argument for name in which for argument in (name, "HEAD"))).splitlines()
    return (version for tag in tags if (version := Version.of(tag)))


def _changes(root: Path, tag: str) -> Iterator[Change]:
    fields = iter(_git(root, "diff", "--name-status", "--find-renames", "-z", tag, "HEAD").split("\0"))
    for status in fields:
        if not status:
            break
        old = next(fields)
        path = next(fields) if status[0] in "RC" else old
        yield Change(
            path=path,
            before=None if status[0] == "A" else _text(root, tag, old),
            after=None if status[0] == "D" else _text(root, "HEAD", path),
            old_path=old if status[0] == "R" else None,
        )


def _text(root: Path, revision: str, path: str) -> str:
    return _git(root, "show", f"{revision}:{path}")


def _stated_version(file: Path) -> str | None:
    """The version that pyproject.toml holds; None where it holds none, or takes it from elsewhere."""
    try:
        return _stated(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _state(root: Path, before: str, version: str) -> None:
    """Write the version into pyproject.toml, and into uv.lock where that names the project, and commit both."""
    file, lock = root / "pyproject.toml", root / "uv.lock"
    texts = {file: file.read_text(encoding="utf-8")}
    if lock.is_file() and _git(root, "ls-files", lock.name):
        texts[lock] = lock.read_text(encoding="utf-8")
    name = str(tomllib.loads(texts[file])["project"].get("name"))
    edited = {
        path: (_with_version if path == file else _with_locked_version)(text, name, before, version)
        for path, text in texts.items()
    }
    if _stated(edited[file]) != version:
        raise UsageError(
            f"The version in {file} stands in a form that cannot be changed here.",
            remedy=f'Write it as a line of [project]: version = "{version}"; commit that, and run the command again.',
        )
    try:
        for path, text in edited.items():
            path.write_text(text, encoding="utf-8")
        _git(root, "commit", "--quiet", "--message", f"Version {version}", "--", *(path.name for path in edited))
    except BaseException:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        raise


def _with_version(text: str, _name: str, before: str, version: str) -> str:
    head, table, rest = text.partition("[project]")
    line = r"(?m)^(\s*version\s*=\s*)(['\"])" + re.escape(before) + r"\2"
    return head + table + re.sub(line, rf"\g<1>\g<2>{version}\g<2>", rest, count=1)


def _with_locked_version(text: str, name: str, before: str, version: str) -> str:
    entry = rf'(\[\[package\]\]\nname = "{re.escape(name)}"\nversion = ")' + re.escape(before)
    entry += r'("\nsource = \{ (?:virtual|editable) = "\.")'
    return re.sub(entry, rf"\g<1>{version}\g<2>", text, count=1)


def _stated(text: str) -> str | None:
    try:
        stated = tomllib.loads(text).get("project", {}).get("version")
    except tomllib.TOMLDecodeError:
        return None
    return stated if isinstance(stated, str) else None


def _push(now: Standing, version: Version) -> str | None:
    """Push branch and tag together; gives the reason if that did not work."""
    try:
        _git(now.root, "push", "--quiet", "--atomic", "origin", str(now.branch), version.tag, seconds=PUSH_SECONDS)
    except GitFailed as failed:
        return failed.said
    except subprocess.TimeoutExpired:
        return f"no answer in {PUSH_SECONDS} seconds"
    return None


class GitFailed(KitError):
    """A git command failed; `said` is what git said."""

    def __init__(self, command: str, folder: Path, said: str) -> None:
        super().__init__(f"git {command} failed in {folder}: {said}")
        self.said = said


def _git(folder: Path, *arguments: str, seconds: float | None = None) -> str:
    """Standard output of a git command, without the last line break.

    Raises:
        GitFailed: It failed.
    """
    done = subprocess.run(
        ["git", "-c", "core.quotePath=false", *arguments],
        cwd=folder,
        env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},  # a push must not wait for a password
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise GitFailed(arguments[0], folder, done.stderr.decode(errors="replace").strip())
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")
