"""A Workflow is made by the outermost script, so each test runs one."""

import json
import os
import subprocess
import sys

import pytest

from deriva_ml_kit.mainline import DerivaMLDirtyWorkflowError, Workflow
from deriva_ml_kit.mainline.workflow.workflow import version_of

SCRIPT = """
import json, os, subprocess, sys
from deriva_ml_kit.mainline import DerivaMLException, Workflow

def made(environment, arguments):
    os.environ.update(environment)
    try:
        workflow = Workflow(name="n", workflow_type="t", **arguments)
        return workflow.model_dump(mode="json") | {"leaked": "SETUPTOOLS_USE_DISTUTILS" in os.environ}
    except DerivaMLException as error:
        return {"error": type(error).__name__, "said": str(error)}
    finally:
        for name in environment:
            del os.environ[name]

print(json.dumps([made(*case) for case in json.loads(sys.argv[1])]))
"""


@pytest.fixture
def made(repository):
    """Runs a script of the repository that makes a Workflow for each case; gives what they say."""

    def run(*cases, cwd=None, command=None):
        # The plain library, where a test has used it in this process, leaves a variable behind.
        env = {name: value for name, value in os.environ.items() if name != "SETUPTOOLS_USE_DISTUTILS"}
        done = subprocess.run(
            [*(command or [sys.executable, str(repository.root / "train.py")]), json.dumps(cases)],
            cwd=cwd or repository.root,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    repository.write("train.py", SCRIPT)
    repository.commit()
    return run


PLAIN = ({}, {})


def test_a_committed_script_is_named_by_commit_and_version_wherever_it_was_started(made, repository, tmp_path) -> None:
    repository.git("tag", "v1.2.3")

    (workflow,) = made(PLAIN, cwd=tmp_path)

    assert workflow["version"] == "1.2.3"
    assert repository.git("rev-parse", "HEAD") in workflow["url"]
    assert workflow["git_root"] == str(repository.root)
    assert not workflow["leaked"], "child processes would fail to import distutils"


def test_uncommitted_changes_are_refused_unless_they_are_allowed_and_then_recorded(made, repository) -> None:
    repository.write("notes.txt")
    notebook = {"DERIVA_ML_WORKFLOW_URL": "https://example.org/n.ipynb", "DERIVA_ML_WORKFLOW_CHECKSUM": "c"}

    refused, said_no, asked_for, by_variable, in_dry_run, named = made(
        PLAIN,
        ({"DERIVA_ML_ALLOW_DIRTY": "false"}, {}),
        ({}, {"allow_dirty": True}),
        ({"DERIVA_ML_ALLOW_DIRTY": "true"}, {}),
        ({"DERIVA_ML_DRY_RUN": "true"}, {}),
        (notebook, {}),
    )

    assert refused["error"] == said_no["error"] == "DerivaMLDirtyWorkflowError"
    assert all(part in refused["said"] for part in ("notes.txt", "git commit", "--allow-dirty"))
    assert asked_for["dirty_paths"] == by_variable["dirty_paths"] == in_dry_run["dirty_paths"] == ["notes.txt"]
    assert named["url"] == "https://example.org/n.ipynb", "a program that runs notebooks names the source itself"


def test_tags_that_are_no_versions_are_recorded_as_git_describes_them(repository) -> None:
    repository.write("train.py")
    repository.commit()
    repository.git("tag", "exp1_final")

    assert version_of(repository.root) == "exp1_final"


def test_code_that_is_in_no_file_is_refused(made) -> None:
    (refused,) = made(PLAIN, command=[sys.executable, "-c", SCRIPT])

    assert refused["error"] == "DerivaMLWorkflowError"
    assert "commit it" in refused["said"]


def test_a_script_is_named_without_a_workflow(repository) -> None:
    script = repository.write("train.py", "print()")
    commit = repository.commit()
    url, checksum = Workflow.get_url_and_checksum(script)
    assert commit in url
    assert checksum == repository.git("hash-object", "train.py")
    repository.write("notes.txt")
    with pytest.raises(DerivaMLDirtyWorkflowError):
        Workflow.get_url_and_checksum(script)
    assert Workflow.get_url_and_checksum(script, allow_dirty=True) == (url, checksum)
