"""`deriva-ml-run-notebook` as a person runs it, with a real kernel, on the catalog of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra_zen
import nbformat
import pytest

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.schema.create import create_ml_catalog
from deriva_ml_kit.project.changes import Part
from deriva_ml_kit.project.release import release, standing
from deriva_ml_kit.runner import notebook_command, notebook_file
from deriva_ml_kit.runner.unchanged import fingerprint

pytestmark = pytest.mark.catalog

CONFIGS = {
    "__init__.py": "",
    "deriva.py": """\
from pathlib import Path
from deriva_ml_kit.runner.configs import store_connection
store_connection(Path(__file__).with_name("catalog.json"))
""",
    "means.py": """\
from deriva_ml_kit.runner.notebook import notebook_config
notebook_config("means", defaults={"datasets": None, "assets": None}, description="Means")
""",
}
BEGIN = """\
from deriva_ml_kit.runner.notebook import run_notebook
ml, execution, config = run_notebook()
"""
WORK = """\
from pathlib import Path
path = execution.asset_file_path("Execution_Asset", "mean.txt", "Output_File")
Path(path).write_text(str(sum(range(number)) / number))
"""


@dataclass(frozen=True)
class Project:
    """A git repository with config files and notebooks."""

    root: Path
    ml: DerivaML

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def notebook(self, *cells: str, outputs: bool = False) -> Path:
        made = [nbformat.v4.new_code_cell("number = 4", metadata={"tags": ["parameters"]})]
        made += [nbformat.v4.new_code_cell(cell) for cell in cells]
        if outputs:
            made[-1]["outputs"] = [nbformat.v4.new_output("stream", text="secret")]
        path = self.root / "notebooks" / "means.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=made), path)
        return path

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "A version")


@pytest.fixture(scope="module")
def catalog_of_notebooks(local_host: Any) -> Any:
    return create_ml_catalog(local_host.hostname, project_name="notes")


@pytest.fixture
def project(catalog_of_notebooks: Any, local_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    root = tmp_path / "project"
    configs = root / "src" / "configs"
    configs.mkdir(parents=True)
    where = {"hostname": local_host.hostname, "catalog_id": str(catalog_of_notebooks.catalog_id)}
    for name, text in {**CONFIGS, "catalog.json": json.dumps(where)}.items():
        (configs / name).write_text(text)
    (root / ".gitignore").write_text("__pycache__/\n")
    made = Project(root, DerivaML(**where, working_dir=tmp_path / "ml"))
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "T")
    made.git("config", "user.email", "t@example.org")
    monkeypatch.chdir(root)
    # The program imports the config files, which are another project's in each test.
    monkeypatch.setattr("sys.path", sys.path[:])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    for name in [name for name in sys.modules if name.partition(".")[0] == "configs"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(hydra_zen.store, "_overwrite_ok", True)
    return made


Run = Callable[..., tuple[int, Mapping[str, Any]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program with `--json`; gives its exit code and its answer."""

    def run(*arguments: str) -> tuple[int, Mapping[str, Any]]:
        monkeypatch.setattr("sys.argv", ["deriva-ml-run-notebook", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            notebook_command.main()
        return int(str(ended.value.code)), json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_a_failed_cell_is_told_and_a_later_run_keeps_outputs_executed_copy_and_tag(
    project: Project, run: Run, tmp_path: Path
) -> None:
    project.notebook(BEGIN, WORK)
    project.commit()

    code, failed = run("notebooks/means.ipynb", "-p", "number", "0")

    assert code == 1
    assert "means.ipynb: cell 3: ZeroDivisionError: division by zero" in failed["error"]["message"]
    (first,) = project.ml.find_executions()
    assert first.execution_rid in failed["error"]["remedy"]
    assert first.status.value == "Failed"
    row = project.ml.retrieve_rid(first.execution_rid)
    assert row["Status_Detail"] == "cell 3: ZeroDivisionError: division by zero"

    release(standing(project.root), Part.patch)
    code, done = run("notebooks/means.ipynb", "-p", "number", "5", "description='The second'")

    assert code == 0, done
    assert done["workflow_rid"] == first.workflow_rid  # the same file: the row keeps the version of the first run
    assert {"mean.txt", "means.ipynb", "means.md"} <= set(done["outputs"])
    record = project.ml.lookup_execution(done["execution_rid"])
    assert record.status.value == "Uploaded"
    assert record.description == "The second"
    outputs = {asset.filename: asset for asset in record.list_assets("Output")}
    configuration = json.loads(outputs["configuration.json"].download(tmp_path).read_text())
    assert configuration["workflow"]["version"] == "0.1.0"
    assert "number = 5" in outputs["means.md"].download(tmp_path).read_text()
    assert outputs["means.ipynb"].asset_types == ["Notebook_Output"]
    assert outputs["mean.txt"].download(tmp_path).read_text() == "2.0"


def test_a_dry_run_writes_nothing_and_cannot(project: Project, run: Run) -> None:
    project.notebook(BEGIN)
    project.commit()
    project.notebook(BEGIN, WORK, 'ml.add_term("Asset_Type", "New", "x")')  # uncommitted, as a dry run may be
    before = fingerprint(project.ml)

    code, done = run("notebooks/means.ipynb", "dry_run=true")

    assert code == 1
    assert "cell 4: WroteInDryRun" in done["error"]["message"]
    assert fingerprint(project.ml) == before


def test_a_notebook_that_begins_no_execution_is_told_so(project: Project, run: Run) -> None:
    project.notebook("print(number)")
    project.commit()

    code, done = run("notebooks/means.ipynb", "dry_run=true")

    assert code == 2
    assert "nobody kept it from writing to a catalog" in done["error"]["message"]


def test_an_uncommitted_notebook_is_refused(project: Project, run: Run) -> None:
    project.notebook(BEGIN)
    project.commit()
    project.notebook(BEGIN, "1")

    code, done = run("notebooks/means.ipynb")

    assert code == 2
    assert done["error"]["type"] == "DerivaMLDirtyWorkflowError"
    assert "notebooks/means.ipynb" in done["error"]["message"]


def test_a_notebook_with_outputs_is_refused_with_the_command_that_takes_them_out(project: Project, run: Run) -> None:
    path = project.notebook(BEGIN, outputs=True)
    project.commit()

    code, done = run("notebooks/means.ipynb")

    assert code == 2
    assert done["error"]["message"] == f"{path} is committed with outputs, in cell 2."
    assert f"nbstripout {path}" in done["error"]["remedy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["notebooks/menas.ipynb"], "There is no notebook notebooks/menas.ipynb"),
        (["notebooks/means.ipynb", "-p", "numbr", "5"], "no parameter 'numbr'"),
        (["notebooks/means.ipynb", "predictions"], "'predictions' is no override"),
        (["notebooks/means.ipynb", "-f", "values.yaml"], "values.yaml cannot be read"),
        (["notebooks/means.ipynb", "descripton=a"], "did you mean 'description'"),
        (["notebooks/means.ipynb", "--cfg", "job", "descripton=a"], "descripton"),
    ],
)
def test_what_is_mistyped_is_named(project: Project, run: Run, arguments: list[str], said: str) -> None:
    project.notebook(BEGIN)

    code, done = run(*arguments)

    assert code == 2
    assert said in str(done["error"])


def test_without_ipykernel_the_extra_is_named(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    project.notebook(BEGIN)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    code, done = run("notebooks/means.ipynb")

    assert code == 2
    assert "deriva-ml-kit[notebook]" in done["error"]["remedy"]


def test_configuration_menu_and_parameters_are_shown_without_a_run(project: Project, run: Run) -> None:
    project.notebook(BEGIN)

    code, done = run("notebooks/means.ipynb", "--cfg", "job", "description=Meaning")

    assert code == 0, done
    assert "description: Meaning" in done["text"]
    assert "deriva_ml/default_deriva" in run("notebooks/means.ipynb", "--info", "defaults")[1]["text"]
    (offered,) = run("notebooks/means.ipynb", "--list-configs")[1]["deriva_ml"]
    assert (offered["typed"], offered["default"]) == ("deriva_ml=default_deriva", True)
    assert run("notebooks/means.ipynb", "--inspect")[1]["parameters"] == {"number": "4"}


@pytest.mark.parametrize(
    ("typed", "value"),
    [("5", 5), ("0.1", 0.1), ("true", True), ("None", None), ("[1, 2]", [1, 2]), ("1-ABC", "1-ABC"), ("a b", "a b")],
)
def test_parameters_are_read_as_people_type_them(typed: str, value: Any) -> None:
    assert notebook_file.value_of(typed) == value


def test_pictures_and_tables_are_inside_the_markdown(tmp_path: Path) -> None:
    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
    coloured = nbformat.v4.new_output("stream", text="\x1b[31mred\x1b[0m")
    path = tmp_path / "a.ipynb"
    cell = nbformat.v4.new_code_cell("plot()", outputs=[picture, coloured])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)

    text = notebook_file.as_markdown(path)

    assert "(data:image/png;base64,iVBORw0KGgo=)" in text
    assert "red" in text
    assert "\x1b" not in text
