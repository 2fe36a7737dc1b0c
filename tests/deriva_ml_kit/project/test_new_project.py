"""The program new-project, and what a new project is good for before there is a catalog."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KIT = Path(sys.executable).with_name("deriva-ml-kit")


def new_project(*arguments):
    command = [KIT, "new-project", *arguments, "--no-environment", "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new") / "project"
    done = new_project(folder)
    assert done.returncode == 0, done.stderr
    return folder


def in_project(project, *command):
    """Run a program of this environment in the project, as `uv run` does in the project's own."""
    env = os.environ | {"PATH": os.pathsep.join([str(KIT.parent), os.environ["PATH"]])}
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def test_the_answer_says_where_the_project_is_and_what_to_type_next(project):
    answer = json.loads(new_project(project).stdout)

    assert (answer["folder"], answer["name"], answer["files"]) == (str(project), "project", 0)
    assert answer["next"][0] == f"cd {project}"


def test_a_folder_with_other_work_ends_with_exit_code_2_and_the_reason(tmp_path):
    (tmp_path / "thesis.tex").touch()

    done = new_project(tmp_path)

    assert done.returncode == 2
    assert "thesis.tex" in json.loads(done.stdout)["error"]["message"]


def test_the_projects_own_tests_pass(project):
    done = in_project(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(7 * ".")


def test_its_design_documents_have_no_fault(project):
    done = in_project(project, KIT, "lint-design", "--json")

    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["documents"] == 5


@pytest.mark.parametrize("arguments", [["--info"], ["--list-configs"]])
def test_the_menu_names_everything_that_can_be_chosen_without_a_catalog(project, arguments):
    done = in_project(project, "deriva-ml-run", *arguments)

    assert done.returncode == 0, done.stderr
    for name in ("my_experiment", "lr_sweep", "digits", "development", "default_deriva"):
        assert name in done.stdout


def test_a_run_without_a_dataset_says_which_pin_is_missing_and_what_makes_it(project):
    done = in_project(project, "deriva-ml-run", "+experiment=my_experiment", "dry_run=true")

    assert done.returncode == 2
    assert "split" in done.stderr
    assert "make_split.py" in done.stderr
    assert "Traceback" not in done.stderr
