"""`bump-version` in git repositories as people have them, with the real git."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setuptools_scm import get_version

from deriva_ml_kit.cli import main as cli
from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.project.changes import Change, Part, fitting, judge
from deriva_ml_kit.project.release import Version, evidence, release, standing

CONFIG = "store(Config, group='experiment', name='first')\n"
SCHEMA = "def main(ml):\n    '''Make it.'''\n    ml.create_vocabulary('Digit', 'Digits')\n"


@dataclass(frozen=True)
class Repository:
    """A git repository, with a committer of its own."""

    root: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | None]) -> None:
        for path, text in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink() if text is None else file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "A change")

    def release(self, part: Part = Part.patch, **options: Any) -> str:
        return release(standing(self.root), part, **options).version.tag


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.delenv("DERIVA_ML_DIRTY_CHECK_IGNORE", raising=False)
    made = Repository(tmp_path / "project")
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "T")
    made.git("config", "user.email", "t@example.org")
    made.commit({"src/models/digits.py": "depth = 1\n", "src/configs/experiments.py": CONFIG})
    return made


Bump = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def bump(repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bump:
    """The program with `--json`, in the repository."""

    def bump(*arguments: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.chdir(repository.root)
        monkeypatch.setattr("sys.argv", ["bump-version", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.bump_version()
        return int(str(ended.value.code)), json.loads(capsys.readouterr().out)

    return bump


def test_the_first_version_is_a_tag_at_this_very_commit_and_is_what_runs_record(repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")

    made = release(standing(repository.root), Part.major)

    assert (made.version.tag, made.commit, made.file) == ("v0.1.0", commit, None)
    assert repository.git("describe", "--tags") == "v0.1.0"
    assert get_version(root=str(repository.root)) == "0.1.0"


@pytest.mark.parametrize(("part", "tag"), [("patch", "v0.1.1"), ("minor", "v0.2.0"), ("major", "v1.0.0")])
def test_each_part_is_raised(repository: Repository, bump: Bump, part: str, tag: str) -> None:
    repository.release()
    repository.commit({"src/models/digits.py": "depth = 2\n"})

    code, answer = bump(part)

    assert (code, answer["version"], answer["previous"]) == (0, tag, "v0.1.0")
    assert get_version(root=str(repository.root)) == tag[1:]


def test_a_dry_run_changes_nothing(repository: Repository, bump: Bump) -> None:
    repository.commit({"pyproject.toml": '[project]\nname = "x"\nversion = "0.0.1"\n'})
    before = repository.git("rev-parse", "HEAD")

    assert bump("minor", "--dry-run")[1]["version"] == "v0.1.0"
    assert repository.git("tag") == ""
    assert repository.git("rev-parse", "HEAD") == before
    assert repository.git("status", "--porcelain") == ""


def test_a_version_in_pyproject_and_lock_is_committed_and_the_tree_is_clean(repository: Repository) -> None:
    project = "[tool.other]\nversion = '0.0.1'\n\n[project]\nname = \"my-project\"\nversion = '0.0.1' # ours\n"
    lock = '[[package]]\nname = "other"\nversion = "0.0.1"\n\n[[package]]\nname = "my-project"\nversion = "0.0.1"\n'
    lock += 'source = { virtual = "." }\n'
    repository.commit({"pyproject.toml": project, "uv.lock": lock})

    made = release(standing(repository.root), Part.patch)

    assert made.file == "pyproject.toml"
    assert (
        (repository.root / "pyproject.toml").read_text().endswith("name = \"my-project\"\nversion = '0.1.0' # ours\n")
    )
    assert (repository.root / "pyproject.toml").read_text().startswith("[tool.other]\nversion = '0.0.1'\n")
    assert (repository.root / "uv.lock").read_text().count("0.1.0") == 1
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("log", "-1", "--format=%s %D") == "Version 0.1.0 HEAD -> main, tag: v0.1.0"
    assert evidence(standing(repository.root)) == []


def test_a_version_that_comes_from_the_tags_is_left_alone(repository: Repository) -> None:
    repository.commit({"pyproject.toml": '[project]\nname = "x"\ndynamic = ["version"]\n'})

    assert release(standing(repository.root), Part.patch).file is None


def test_where_the_commit_fails_the_files_are_as_they_were(repository: Repository) -> None:
    repository.commit({"pyproject.toml": '[project]\nname = "x"\nversion = "0.0.1"\n'})
    hook = repository.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2; exit 1\n")
    hook.chmod(0o755)

    with pytest.raises(KitError, match="not today"):
        repository.release()

    assert repository.git("status", "--porcelain") == ""
    assert repository.git("tag") == ""


def test_uncommitted_changes_are_refused_as_runs_refuse_them(repository: Repository, bump: Bump) -> None:
    (repository.root / "outputs").mkdir()
    (repository.root / "outputs" / "model.txt").touch()
    assert repository.release() == "v0.1.0"
    repository.commit({"src/models/digits.py": "depth = 2\n"})
    (repository.root / "new.py").touch()

    code, answer = bump("patch")

    assert code == 2
    assert answer["error"]["message"].endswith("\n  new.py")
    assert "git commit" in answer["error"]["remedy"]
    assert bump()[1]["before_that"].startswith("There are uncommitted changes")


def test_a_commit_that_has_a_version_gets_no_other(repository: Repository) -> None:
    repository.release()

    with pytest.raises(UsageError, match=r"This commit is v0\.1\.0 already"):
        repository.release()


def test_a_detached_head_is_refused_with_the_way_back(repository: Repository) -> None:
    repository.git("checkout", "-q", "--detach")

    with pytest.raises(UsageError, match="HEAD is detached") as refused:
        repository.release()
    assert "git switch" in str(refused.value.remedy)


def test_a_version_that_another_branch_has_is_not_given_twice(repository: Repository) -> None:
    repository.release()
    repository.git("switch", "-q", "-c", "other")
    repository.commit({"a.py": "1"})
    repository.release(Part.minor)
    repository.git("switch", "-q", "main")
    repository.commit({"b.py": "1"})

    with pytest.raises(UsageError, match=r"v0\.2\.0 exists already"):
        repository.release(Part.minor)
    assert repository.release(Part.patch) == "v0.1.1"


def test_tags_that_are_no_versions_do_not_count_and_numbers_are_compared_as_numbers(repository: Repository) -> None:
    for tag in ("v0.9.0", "v0.10.0", "experiment-99", "v1.0.0-rc1"):
        repository.git("tag", tag)
    repository.commit({"a.py": "1"})

    assert repository.release() == "v0.10.1"


@pytest.mark.parametrize("commits", [False, True])
def test_outside_a_repository_or_before_the_first_commit_the_command_is_named(tmp_path: Path, commits: bool) -> None:
    if commits:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)

    with pytest.raises(UsageError) as refused:
        standing(tmp_path)
    assert ("git add" if commits else "git init") in str(refused.value.remedy)


def test_nothing_is_pushed_unless_asked_and_a_push_takes_branch_and_tag(repository: Repository, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    repository.git("remote", "add", "origin", str(remote))
    repository.release()
    assert repository.git("ls-remote", "origin") == ""
    repository.commit({"a.py": "1"})

    made = release(standing(repository.root), Part.patch, push=True)

    assert made.pushed
    assert "refs/heads/main" in repository.git("ls-remote", "origin")
    assert "refs/tags/v0.1.1" in repository.git("ls-remote", "origin")


def test_a_push_that_fails_is_told_and_the_version_stands(repository: Repository, bump: Bump, tmp_path: Path) -> None:
    repository.git("remote", "add", "origin", str(tmp_path / "nowhere.git"))

    code, answer = bump("patch", "--push")

    assert code == 0
    assert not answer["pushed"]
    assert "nowhere.git" in answer["push_problem"]
    assert answer["push_later"] == "git push --atomic origin main v0.1.0"
    assert repository.git("tag") == "v0.1.0"


def test_without_an_argument_it_says_which_part_fits_and_writes_nothing(repository: Repository, bump: Bump) -> None:
    assert bump()[1]["next"] == "v0.1.0"
    repository.release()
    assert bump()[1]["fits"] is None
    repository.commit(
        {"README.md": "Read", "src/models/digits.py": "depth = 2\n", "src/models/other.py": "width = 3\n"}
    )

    code, answer = bump()

    assert code == 0
    assert (answer["fits"], answer["next"], answer["command"]) == ("minor", "v0.2.0", "uv run bump-version minor")
    assert answer["evidence"] == [
        {"file": "src/models/other.py", "fits": "minor", "reason": "new model"},
        {"file": "src/models/digits.py", "fits": "patch", "reason": "code"},
        {"file": "README.md", "fits": None, "reason": "document or test"},
    ]
    assert repository.git("tag") == "v0.1.0"
    assert bump("patch")[1]["note"].startswith("The changes fit minor rather than patch: src/models/other.py")


@pytest.mark.parametrize(
    ("path", "before", "after", "part"),
    [
        ("docs/design/model/a.md", "a", "b", None),
        ("tests/test_a.py", "a = 1", "a = 2", None),
        ("src/models/a.py", "a = 1", "# why\na = 1", None),
        ("src/models/a.py", "def f():\n    'Old.'\n    return 1", "def f():\n    'New.'\n    return 1", None),
        ("notebooks/a.ipynb", '{"cells": []}', '{"cells": [], "metadata": {}}', None),
        ("pyproject.toml", '[project]\nversion = "1"', '[project]\nversion = "2"', None),
        ("src/models/a.py", "a = 1", "a = 2", Part.patch),
        ("src/configs/a.py", "rate = 0.1", "rate = 0.2", Part.patch),
        ("src/configs/datasets.toml", 'dev = "1-AB@1.0.0"', 'dev = "1-AB@1.1.0"', Part.patch),
        ("pyproject.toml", "[project]\ndependencies = []", '[project]\ndependencies = ["torch"]', Part.patch),
        ("requirements.txt", "a", "b", Part.patch),
        ("uv.lock", "a", "b", Part.patch),
        ("src/configs/a.py", CONFIG, CONFIG + CONFIG.replace("first", "second"), Part.minor),
        ("src/configs/m.py", "", "multirun_config('lr_sweep', [])", Part.minor),
        ("src/configs/datasets.toml", 'dev = "1-AB@1.0.0"', 'dev = "1-AC@1.0.0"', Part.minor),
        ("src/configs/datasets.toml", "", 'split = "1-AB@1.0.0"', Part.minor),
        ("src/models/a.py", None, "a = 1", Part.minor),
        ("src/scripts/ingest.py", None, "a = 1", Part.minor),
        ("src/scripts/make_schema.py", None, SCHEMA, Part.minor),
        ("src/scripts/label.py", "a = 1", "a = 1\nml.create_feature('Image', 'Digit')", Part.minor),
        ("notebooks/a.ipynb", None, '{"cells": []}', Part.minor),
        ("src/configs/a.py", CONFIG, "", Part.major),
        ("src/configs/a.py", CONFIG, None, Part.major),
        ("src/configs/datasets.toml", 'dev = "1-AB@1.0.0"', "", Part.major),
        ("src/models/a.py", "a = 1", None, Part.major),
        ("src/scripts/make_schema.py", SCHEMA, SCHEMA.replace("Digit", "Number"), Part.major),
        (
            "src/scripts/load.py",
            "ml.add_dataset_element_type('Image')",
            "ml.add_dataset_element_type('Scan')",
            Part.major,
        ),
    ],
)
def test_what_a_file_asks_for(path: str, before: str | None, after: str | None, part: Part | None) -> None:
    assert fitting(judge([Change(path, before, after)])) == part


def test_what_moves_from_one_configuration_file_to_another_is_neither_new_nor_gone(repository: Repository) -> None:
    repository.release()
    repository.commit({"src/configs/experiments.py": None, "src/configs/presets.py": f"a = 1\n{CONFIG}"})

    assert fitting(evidence(standing(repository.root))) is Part.patch


@given(
    st.builds(Version, *[st.integers(0, 999)] * 3, prefix=st.sampled_from(["", "v"])),
    st.sampled_from(Part),
)
def test_a_raised_version_is_higher_and_reads_as_it_was_written(version: Version, part: Part) -> None:
    raised = version.raised(part)

    assert raised > version
    assert Version.of(raised.tag) == raised


@given(
    st.text(max_size=200), st.text(max_size=200), st.sampled_from(["a.py", "src/configs/a.py", "src/configs/a.toml"])
)
def test_no_text_of_a_file_keeps_it_from_being_judged(before: str, after: str, path: str) -> None:
    (found,) = judge([Change(path, before, after)])

    assert found.file == path
    assert (found.part is None) or before != after
