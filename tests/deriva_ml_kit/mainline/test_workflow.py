"""A Workflow is made by the outermost script, so each test runs one."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, subprocess, sys
from deriva_ml_kit.mainline import DerivaMLException, Workflow
try:
    made = Workflow(name="n", workflow_type="t", **json.loads(sys.argv[1]))
    child = subprocess.run([sys.executable, "-c", "import os; print('SETUPTOOLS_USE_DISTUTILS' in os.environ)"],
                           capture_output=True, text=True).stdout.strip()
    print(json.dumps({"url": made.url, "version": made.version, "dirty": made.dirty_paths, "leaked": child,
                      "root": str(made.git_root), "document": made.model_dump(mode="json")}))
except DerivaMLException as error:
    print(json.dumps({"error": type(error).__name__, "said": str(error)}))
"""


@pytest.fixture
def made(repository):
    """Runs a script of the repository and gives what its Workflow says."""

    def run(*, cwd=None, environment=None, **arguments):
        script = repository.root / "train.py"
        done = subprocess.run(
            [sys.executable, str(script), json.dumps(arguments)],
            cwd=cwd or repository.root,
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    repository.write("train.py", SCRIPT)
    repository.commit()
    return run


def test_a_committed_script_is_named_by_commit_and_version_and_leaves_the_environment_alone(made, repository) -> None:
    repository.git("tag", "v1.2.3")

    workflow = made()

    assert workflow["version"] == "1.2.3"
    assert repository.git("rev-parse", "HEAD") in workflow["url"]
    assert workflow["leaked"] == "False"


def test_the_repository_of_the_script_counts_and_not_the_current_folder(made, repository, tmp_path) -> None:
    assert made(cwd=tmp_path)["root"] == str(repository.root)


def test_uncommitted_changes_are_refused_with_their_paths_and_the_remedy(made, repository) -> None:
    repository.write("notes.txt")

    refused = made()

    assert refused["error"] == "DerivaMLDirtyWorkflowError"
    assert "notes.txt" in refused["said"]
    assert "git commit" in refused["said"]
    assert "--allow-dirty" in refused["said"]


@pytest.mark.parametrize(
    "permission",
    [
        {"allow_dirty": True},
        {"environment": {"DERIVA_ML_ALLOW_DIRTY": "true"}},
        {"environment": {"DERIVA_ML_DRY_RUN": "true"}},
    ],
)
def test_allowed_changes_are_recorded_with_the_workflow(made, repository, permission) -> None:
    repository.write("notes.txt")

    workflow = made(**permission)

    assert workflow["document"]["dirty_paths"] == ["notes.txt"]


def test_false_does_not_allow_changes(made, repository) -> None:
    repository.write("notes.txt")

    assert made(environment={"DERIVA_ML_ALLOW_DIRTY": "false"})["error"] == "DerivaMLDirtyWorkflowError"


def test_tags_that_are_no_versions_are_recorded_as_git_describes_them(made, repository) -> None:
    repository.git("tag", "exp1_final")

    assert made()["version"] == "exp1_final"


def test_code_that_is_in_no_file_is_refused(repository) -> None:
    repository.write("x")
    repository.commit()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "{}"], cwd=repository.root, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout)["error"] == "DerivaMLWorkflowError"


def test_a_program_that_runs_notebooks_names_the_source_itself(made, repository) -> None:
    repository.write("notes.txt")

    workflow = made(
        environment={"DERIVA_ML_WORKFLOW_URL": "https://example.org/n.ipynb", "DERIVA_ML_WORKFLOW_CHECKSUM": "c"}
    )

    assert workflow["url"] == "https://example.org/n.ipynb"
