"""Which commit runs, what changed since another one, and where it runs."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bench import Repository

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.tiers.state import blob, changed_files, code_state, environment


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def test_the_state_of_a_script_is_the_commit_that_is_checked_out(project: Repository) -> None:
    nested = project.root / "src" / "models" / "größe.py"
    nested.parent.mkdir(parents=True)
    nested.write_text("")
    project.commit("print('two')\n")
    project.git("tag", "v0.2.0")
    found = code_state(nested)
    assert found.commit == project.git("rev-parse", "HEAD")
    assert (found.script, found.version, found.dirty) == ("src/models/größe.py", "v0.2.0", False)
    assert Path(found.repository) == project.root.resolve()


@pytest.mark.parametrize(("path", "dirty"), [("new.py", True), ("outputs/log.txt", False), ("train.py", True)])
def test_changes_count_as_they_do_for_executions(project: Repository, path: str, dirty: bool) -> None:
    (project.root / path).parent.mkdir(exist_ok=True)
    (project.root / path).write_text("changed")
    assert code_state(project.script).dirty is dirty


def test_git_is_asked_three_times(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    run = subprocess.run

    def counted(command: list[str], **options: Any) -> Any:
        asked.append(command[3])
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    code_state(project.script)
    assert asked == ["rev-parse", "status", "describe"]


def test_a_script_that_git_does_not_know_is_told_what_to_do(tmp_path: Path) -> None:
    lonely = tmp_path / "lonely.py"
    lonely.write_text("")
    with pytest.raises(KitError, match="git init"):
        code_state(lonely)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(KitError, match="no commit yet"):
        code_state(lonely)
    with pytest.raises(UsageError, match="There is no folder"):
        code_state(tmp_path / "missing" / "x.py")


def test_files_that_differ_between_commits_are_named_under_both_names(project: Repository) -> None:
    before = project.git("rev-parse", "HEAD")
    project.git("mv", "train.py", "main.py")
    project.git("commit", "-q", "-m", "renamed")
    assert changed_files(project.root, before) == ["main.py", "train.py"]
    assert changed_files(project.root, "HEAD") == []
    for unknown in ("0" * 40, "no such commit", "--output=x", ""):
        assert changed_files(project.root, unknown) in (None, [])
    assert not (project.root / "x").exists()


def test_the_hash_of_a_file_in_a_commit(project: Repository) -> None:
    assert blob(project.root, "HEAD", "train.py") == project.git("hash-object", "train.py")
    assert blob(project.root, "HEAD", "missing.py") is None


def test_the_environment_holds_versions() -> None:
    found = environment()
    assert found.python == platform.python_version()
    assert found.packages.keys() >= {"numpy", "pydantic", "deriva-ml-kit"}
