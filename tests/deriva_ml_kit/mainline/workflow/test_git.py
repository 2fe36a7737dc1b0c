from pathlib import Path

import pytest

from deriva_ml_kit.mainline.errors import DerivaMLWorkflowError
from deriva_ml_kit.mainline.workflow import git


def test_a_committed_script_has_commit_blob_and_an_address_at_its_remote(repository) -> None:
    script = repository.write("src/scripts/train.py", "print()\n")
    commit = repository.commit()
    repository.write("README", "later")
    repository.commit("Another file")
    repository.git("remote", "add", "origin", "https://github.com/lab/project.git")

    source = git.describe(script)

    assert source.url == f"https://github.com/lab/project/blob/{commit}/src/scripts/train.py"
    assert source.checksum == repository.git("hash-object", "src/scripts/train.py")
    assert source.dirty_paths == ()


def test_without_a_remote_the_address_is_a_swhid_of_blob_and_commit(repository) -> None:
    script = repository.write("train.py", "print()\n")
    commit = repository.commit()

    blob = repository.git("hash-object", "train.py")
    assert git.describe(script).url == f"swh:1:cnt:{blob};anchor=swh:1:rev:{commit};path=/train.py"


@pytest.mark.parametrize(
    ("remote", "recorded"),
    [
        ("https://user:token@github.com/lab/project.git", "https://github.com/lab/project"),
        ("https://ghp_secret@github.com/lab/project", "https://github.com/lab/project"),
        ("git@github.com:lab/project.git", "git@github.com:lab/project"),
        ("/srv/git/project.git/", "/srv/git/project"),
    ],
)
def test_the_address_of_a_remote_never_holds_credentials(remote: str, recorded: str) -> None:
    assert git.without_credentials(remote) == recorded


def test_changed_staged_deleted_renamed_and_untracked_files_all_count(repository) -> None:
    for name in ("changed", "staged", "deleted", "old name"):
        repository.write(name, name * 20)
    repository.commit()
    repository.write("changed", "x")
    repository.write("staged", "x")
    repository.git("add", "staged")
    repository.git("rm", "-q", "deleted")
    repository.git("mv", "old name", "new name")
    repository.write("data/ünknown.csv")

    assert sorted(git.uncommitted(repository.root)) == ["changed", "data/ünknown.csv", "deleted", "new name", "staged"]


def test_findings_outputs_and_scratch_do_not_count_and_neither_do_named_prefixes(repository, monkeypatch) -> None:
    repository.write("train.py")
    repository.commit()
    for name in ("findings/a", "outputs/b/c", ".scratch/d", "runs/e", "notes.md", "src/outputs/f"):
        repository.write(name)

    assert sorted(git.uncommitted(repository.root)) == ["notes.md", "runs/e", "src/outputs/f"]
    monkeypatch.setenv("DERIVA_ML_DIRTY_CHECK_IGNORE", "runs/:notes")
    assert git.uncommitted(repository.root) == ["src/outputs/f"]


def test_outside_a_repository_the_commands_to_make_one_are_named(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.touch()

    with pytest.raises(DerivaMLWorkflowError, match=r"in no git repository") as error:
        git.describe(script)
    assert "git init" in str(error.value.remedy)


def test_before_the_first_commit_the_command_to_commit_is_named(repository) -> None:
    with pytest.raises(DerivaMLWorkflowError, match="no commit yet") as error:
        git.describe(repository.write("train.py"))
    assert "git commit" in str(error.value.remedy)


def test_without_git_it_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DerivaMLWorkflowError, match="git is not installed"):
        git.describe(tmp_path / "train.py")
