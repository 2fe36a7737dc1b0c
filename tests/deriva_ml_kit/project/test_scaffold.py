"""The project folder that new-project makes."""

import ast
import json
import subprocess

import pytest

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.imports import plain_imports, python_files
from deriva_ml_kit.project import scaffold, sources


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project, made once; tests that change something make their own."""
    return scaffold.make(tmp_path_factory.mktemp("new") / "First Model", environment=False)


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    scaffold.make(folder, environment=False)
    return folder


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_everything_is_committed(made):
    assert git(made.folder, "status", "--porcelain") == ""
    assert git(made.folder, "rev-parse", "HEAD") == made.commit
    assert set(git(made.folder, "ls-files").splitlines()) == set(made.new)


def test_the_project_is_called_as_its_folder(made):
    assert made.name == scaffold.project_name(made.folder) == "first-model"


def test_every_python_file_is_valid_and_none_takes_the_plain_librarys_classes(made):
    files = list(python_files([made.folder]))
    for file in files:
        ast.parse(file.read_text(encoding="utf-8"))

    assert {file.parent.name for file in files} == {"configs", "models", "scripts", "tests"}
    assert [fault for file in files for fault in plain_imports(file)] == []


def test_scripts_of_the_skills_are_copied_byte_for_byte(made):
    for name, source in sources.SCRIPTS.items():
        copied = (made.folder / "src/scripts" / name).read_bytes()
        assert copied == (sources.plugin_root() / "skills" / source).read_bytes()


def test_no_placeholder_of_the_template_is_left(made):
    for name in ("pyproject.toml", "README.md"):
        text = (made.folder / name).read_text(encoding="utf-8")
        assert not [key for key in ("name", "wheel", "overrides", "constraints") if f"@{key}@" in text]


def test_the_wheel_that_pyproject_names_is_there_with_the_template_in_it(made):
    (wheel,) = (made.folder / "vendor").iterdir()

    assert wheel.name in (made.folder / "pyproject.toml").read_text(encoding="utf-8")
    assert b"deriva_ml_kit/project/template/gitignore" in wheel.read_bytes()


def test_the_same_call_again_changes_nothing(own):
    head = git(own, "rev-parse", "HEAD")

    again = scaffold.make(own, environment=False)

    assert (again.new, again.commit) == ((), head)


def test_what_is_missing_is_completed_and_committed_alone(own):
    git(own, "rm", "-q", "tacit-knowledge.md")
    git(own, "commit", "-qm", "Not needed")
    (own / "src/models/digits.py").write_text("EDITED = True\n")
    (own / "notes.txt").touch()

    again = scaffold.make(own, environment=False)

    assert again.new == ("tacit-knowledge.md",)
    assert git(own, "show", "--name-only", "--format=", "HEAD") == "tacit-knowledge.md"
    assert (own / "src/models/digits.py").read_text() == "EDITED = True\n"
    assert git(own, "status", "--porcelain").splitlines() == ["M src/models/digits.py", "?? notes.txt"]


def test_a_call_that_was_cut_short_before_its_commit_is_completed(tmp_path):
    folder = tmp_path / "cut"
    made = scaffold.make(folder, environment=False)
    git(folder, "update-ref", "-d", "HEAD")
    (folder / "README.md").unlink()

    again = scaffold.make(folder, environment=False)

    assert set(git(folder, "ls-files").splitlines()) == set(made.new)
    assert git(folder, "status", "--porcelain") == ""
    assert again.commit


def test_an_empty_repository_counts_as_an_empty_folder(tmp_path):
    git(tmp_path, "init", "-q", "-b", "trunk")

    scaffold.make(tmp_path, name="first", environment=False)

    assert git(tmp_path, "branch", "--show-current") == "trunk"


def test_a_folder_with_other_work_in_it_is_refused_by_what_is_in_it(tmp_path):
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(UsageError, match=r"not empty \(thesis.tex\)"):
        scaffold.make(tmp_path, environment=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_catalog_that_exists_is_written_down_and_another_one_is_refused(tmp_path):
    scaffold.make(tmp_path / "a", hostname="data.example.org", catalog_id="42", environment=False)

    written = json.loads((tmp_path / "a" / scaffold.CATALOG_FILE).read_text())
    assert written == {"hostname": "data.example.org", "catalog_id": "42"}
    with pytest.raises(UsageError, match=r"belongs to catalog 42 on data\.example\.org"):
        scaffold.make(tmp_path / "a", hostname="data.example.org", catalog_id="43", environment=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "My Model"}, "'My Model' cannot be the name"),
        ({"catalog_id": "1"}, "--catalog-id needs --hostname"),
    ],
)
def test_a_wrong_call_makes_nothing(tmp_path, arguments, said):
    with pytest.raises(UsageError, match=said):
        scaffold.make(tmp_path / "new", environment=False, **arguments)
    assert not (tmp_path / "new").exists()
