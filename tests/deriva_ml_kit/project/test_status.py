"""How far a project is, at every stage; on a real catalog, and without one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, bench
from deriva_ml.core.definitions import TableDefinition
from designed import DESIGN, PATH, Lab, lab_in

from deriva_ml_kit.cli import bootstrap_status
from deriva_ml_kit.mainline import ExecutionConfiguration, Workflow
from deriva_ml_kit.project import sources
from deriva_ml_kit.project.phases import State
from deriva_ml_kit.project.status import Progress, progress
from deriva_ml_kit.project.survey import survey
from deriva_ml_kit.tiers.receipt import DatasetInput, receipts_folder, write

DONE, OPEN, UNKNOWN = State.DONE, State.OPEN, State.UNKNOWN


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def project(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "First")
    return root


def states(found: Progress) -> list[State]:
    return [phase.state for phase in found.phases]


def evidence(found: Progress, number: int) -> str:
    return found.phases[number - 1].evidence


# Without a catalog


def test_in_a_bare_repository_the_first_phase_comes_next(tmp_path: Path) -> None:
    root = tmp_path / "Lung Nodules"
    root.mkdir()
    git(root, "init", "-q")

    command = [sys.executable, "-m", "deriva_ml_kit.cli.main", "bootstrap-status"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[:5] == [
        f"repository  {root}",
        "catalog     none named yet",
        "",
        "1  Specify              not done     no document in docs/design/model/",
        "2  Schema               cannot tell  the project names no table; "
        "the catalog was not asked: no catalog is named",
    ]
    assert done.stdout.splitlines()[-2:] == [
        "next        Write down what the model is for, before schema and code",
        "            uv run lint-design --new model lung-nodules",
    ]
    as_json = subprocess.run([*command, "--json"], cwd=root, capture_output=True, text=True, check=True)
    document = json.loads(as_json.stdout)
    assert [phase["number"] for phase in document["phases"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert document["next"]["command"] == "uv run lint-design --new model lung-nodules"
    assert list(root.iterdir()) == [root / ".git"]


def test_a_folder_that_is_no_repository_is_judged_as_well(tmp_path: Path) -> None:
    assert states(progress(tmp_path)) == [OPEN, UNKNOWN, OPEN, UNKNOWN, OPEN, UNKNOWN, UNKNOWN, OPEN]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DESIGN.replace("Approved", "Draft"), "is Draft; it counts when it is Approved"),
        (DESIGN.replace(">= 0.9", "high"), "states no threshold with a number"),
        ("", "has no status"),
    ],
)
def test_a_design_counts_when_it_is_approved_with_a_threshold(tmp_path: Path, text: str, told: str) -> None:
    found = progress(project(tmp_path, {PATH: text}))

    assert (found.phases[0].state, found.next.command) == (OPEN, f"uv run lint-design {PATH}")
    assert evidence(found, 1).startswith(f"{PATH} {told}")


def test_a_new_project_is_specified_and_needs_a_catalog(tmp_path: Path) -> None:
    found = progress(project(tmp_path, sources.texts("digits")))

    assert states(found)[:3] == [DONE, UNKNOWN, OPEN]
    assert "the project names Image" in evidence(found, 2)
    assert found.next.command.startswith(
        ("uv run deriva-local start", "uv run python src/scripts/make_schema.py --hostname localhost:")
    )


def test_scripts_pins_tables_and_experiments_are_found_by_what_they_say(tmp_path: Path) -> None:
    main = "if __name__ == '__main__': main()\n"
    root = project(
        tmp_path,
        {
            PATH: DESIGN.replace("- Hyperparameters: none", "- Hyperparameters (`+experiment=first`): `epochs` = 9"),
            "db/tables.py": f"ml.create_feature('Image', 'Label', terms=['Digit'])\nTable.define('Scan')\n{main}",
            "data/parts.py": f"split_dataset(ml, rid, exe)\n{main}",
            "config/data.toml": 'small = "1-ABCD@1.2.0"\nother = 3\n',
            "config/sets.py": "DatasetSpecConfig(rid='2-WXYZ', version='0.1.0')\n"
            "store_datasets('both', pins=P, roles={'train': 'small', 'test': 'large'})\n",
            "config/my_experiments.py": "store(make_config(), name='first')\n",
            "where.json": '{"hostname": "data.example.org", "catalog_id": 7}',
            "broken.py": "def f(:\n",
            "broken.toml": "a = [\n",
            "broken.json": "{",
            ".venv/lib/other.py": "ml.create_asset('Not_Ours')\n",
            "tests/test_it.py": "ml.create_asset('Nor_This')\n",
        },
    )
    found = survey(root / "db")

    assert [str(each) for each in found.named] == [
        "Image.Label",
        "Scan",
        "Image.Label",
        "Image.Predicted",
        "Image.Predicted",
        "Image.Label",
    ]
    assert {str(pin): pin.file for pin in found.pins} == {
        "1-ABCD@1.2.0": "config/data.toml",
        "2-WXYZ@0.1.0": "config/sets.py",
    }
    assert found.scripts == {"split": "data/parts.py", "schema": "db/tables.py"}
    assert (found.experiments, found.groups[0].roles) == (["first"], {"train": "small", "test": "large"})
    assert found.catalog == ("data.example.org", "7", "where.json")


def test_a_host_that_does_not_answer_is_said_and_the_repository_is_judged(tmp_path: Path) -> None:
    root = project(tmp_path, {PATH: DESIGN, "pins.toml": 'dev = "1-ABCD@1.0.0"\n'})
    found = progress(root, "localhost:1", "1")

    assert found.catalog.startswith("1 on localhost:1: Nothing answers at localhost:1")
    assert states(found) == [DONE, UNKNOWN, UNKNOWN, UNKNOWN, OPEN, UNKNOWN, UNKNOWN, OPEN]
    assert evidence(found, 3).startswith("pinned: dev = 1-ABCD@1.0.0; the catalog was not asked: Nothing answers")
    assert found.next.command == "uv run deriva-local start"


def test_a_host_where_nobody_is_logged_in_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = progress(project(tmp_path, {PATH: DESIGN}), f"localhost:{server.getsockname()[1]}", "1")

    assert "Nobody is logged in" in found.catalog
    assert found.next.command == "uv run deriva-local login"


# On a catalog


@pytest.fixture(scope="module")
def development(local_host: Any) -> Iterator[tuple[Bench, str]]:
    """The catalog, and the pin of a development dataset in it."""
    made = bench(local_host.hostname)
    ml = made.connect(Path.home())
    if "Development" not in {term.name for term in ml.list_vocabulary_terms("Dataset_Type")}:
        ml.add_term("Dataset_Type", "Development", description="A small one to try things on")
    workflow = Workflow(name="D", workflow_type="Training", url="https://example.org/d.py", checksum="1", version="1")
    with ml.create_execution(ExecutionConfiguration(description="Development"), workflow=workflow) as exe:
        dataset = exe.create_dataset(["Development"], description="Small")
        dataset.add_dataset_members({"Image": list(made.images)})
        dataset.release("minor", "All", exe)
    exe.commit_output_assets()
    pin = f"{dataset.dataset_rid}@{dataset.current_version}"
    if "Later" not in ml.model.schemas[ml.domain_schema].tables:  # of which that version knows nothing
        ml.create_table(TableDefinition(name="Later", column_defs=[]))
        ml.add_dataset_element_type("Later")
    yield made, pin
    dataset.remove_dataset_type("Development")  # others look for the newest of them


@pytest.fixture
def lab(local_host: Any, tmp_path: Path) -> Iterator[Lab]:
    made = lab_in(tmp_path / "project", local_host.hostname)
    made.write(PATH, DESIGN.replace("- Hyperparameters: none", "- Hyperparameters (`+experiment=first`): `epochs` = 9"))
    made.write("src/configs/datasets.py", "store_datasets('all', pins=P, roles={'training': 'testing'})\n")
    made.commit()
    yield made


Judged = Callable[[], Progress]


@pytest.fixture
def judged(lab: Lab) -> Judged:
    return lambda: progress(lab.repository.root)


@pytest.mark.catalog
def test_each_stage_on_a_catalog_names_its_evidence_and_the_next_command(
    lab: Lab, judged: Judged, development: tuple[Bench, str], capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"--hostname {lab.bench.hostname} --catalog-id {lab.bench.catalog_id}"
    found = judged()
    assert states(found) == [DONE, DONE, OPEN, OPEN, OPEN, OPEN, OPEN, OPEN]
    assert evidence(found, 3) == "no pinned dataset is of type Development"
    assert found.next.command == (
        f"uv run deriva-ml-kit make-dev-dataset {where} --workflow-type Dataset_Management "
        "--element-table Image --label Label"
    )

    pin = development[1]
    rid, _, version = pin.partition("@")
    lab.write("src/configs/dev.toml", f'small = "{pin}"\n')
    found = judged()
    assert evidence(found, 3) == f"small = {pin} in src/configs/dev.toml: Development, 60 records"
    assert evidence(found, 4) == f"60 of 60 members of {pin} have Label"
    assert found.next.what == "Commit first (1 file): a receipt counts for a commit"

    lab.commit()
    small = (
        f"uv run deriva-ml-run +experiment=first datasets.training.rid={rid} datasets.training.version={version} "
        "model_config.epochs=3"
    )
    found = judged()
    assert states(found)[:5] == [DONE, DONE, DONE, DONE, OPEN]
    assert found.next.command == f"{small} dry_run=true"

    inputs = (DatasetInput(role="training", rid=rid, version=version),)
    folder = receipts_folder(lab.repository.root)
    write(lab.receipt(1, datasets=inputs), folder)
    found = judged()
    assert evidence(found, 5).endswith("(checked out), 1 of 1 checks passed")
    assert found.next.command == small

    second = lab.run(tier=2, values=False)
    found = judged()
    assert evidence(found, 6).startswith(f"execution {second} at commit")
    assert found.next.command == "uv run deriva-ml-run +experiment=first dry_run=true"

    write(lab.receipt(1), folder)
    assert judged().next.command == "uv run deriva-ml-run +experiment=first"

    third = lab.run(tier=3, values=False, overrides=("hurry",), description="x [tier override: hurry]")
    found = judged()
    assert evidence(found, 7).endswith("; OVERRIDE of tier 3: hurry")
    assert found.overrides == (f"execution {third}: tier 3 without its receipts: hurry (me)",)
    assert found.next.command == f"uv run record-verdict --execution {third} --design {PATH} {where}"

    lab.write(PATH, lab.read(PATH).replace("Approved", f"Validated (execution {third}: accuracy 0.95)"))
    found = judged()
    assert set(states(found)) == {DONE}
    assert evidence(found, 8) == f"Validated (execution {third}: accuracy 0.95)"
    assert found.next.command == "uv run lint-design --new experiment <slug>"

    bootstrap_status.show(found)
    assert f"OVERRIDE    execution {third}" in capsys.readouterr().out


@pytest.mark.catalog
def test_code_that_has_changed_sends_back_to_tier_1_and_2_and_documents_do_not(lab: Lab, judged: Judged) -> None:
    write(lab.receipt(1), receipts_folder(lab.repository.root))
    second = lab.run(tier=2, values=False)
    lab.write("README.md", "Words")
    lab.commit()
    found = judged()
    assert evidence(found, 5) == f"by it execution {second} (tier 2) was let in"
    assert found.phases[5].state is DONE

    lab.write("src/models/net.py", "deeper = True\n")
    lab.commit()
    found = judged()
    assert evidence(found, 5).endswith("and code changed since: src/models/net.py")
    assert evidence(found, 6) == f"execution {second} passed, but since then changed: src/models/net.py"


@pytest.mark.catalog
def test_what_is_wrong_with_a_pin_is_said(lab: Lab, judged: Judged, development: tuple[Bench, str]) -> None:
    rid = development[1].partition("@")[0]
    lab.write("src/configs/datasets.toml", f'a = "9-ZZZZ@1.0.0"\nb = "{rid}@7.0.0"\n')
    lab.write("src/scripts/tables.py", "ml.create_asset('Absent')\n")
    found = judged()

    assert evidence(found, 2) == "not in the catalog: Absent (src/scripts/tables.py:1)"
    assert evidence(found, 3) == f"a = 9-ZZZZ@1.0.0: no such dataset; b = {rid}@7.0.0: no such version"
    assert found.next.command.startswith("uv run python src/scripts/make_schema.py --hostname localhost:")


@pytest.mark.catalog
def test_a_catalog_that_is_not_there_is_made_by_the_schema_script(lab: Lab) -> None:
    found = progress(lab.repository.root, lab.bench.hostname, "9999")

    assert found.catalog == f"9999 on {lab.bench.hostname}: There is no catalog 9999 on {lab.bench.hostname}."
    assert found.next.command == f"uv run python src/scripts/make_schema.py --hostname {lab.bench.hostname}"
