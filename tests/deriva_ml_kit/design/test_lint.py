"""Each fault of a design document with its line and remedy; documents as the kit makes them; status and git."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml_kit.design.agreement import Configuration
from deriva_ml_kit.design.document import Design
from deriva_ml_kit.design.lint import Report, documents, lint
from deriva_ml_kit.design.starting import start
from deriva_ml_kit.errors import Undecidable, UsageError

GOOD = """\
# Digit classifier

Status: Approved

## Goal
Which digit a scan shows.

## Requirements
- Architecture: one hidden layer
- Hyperparameters (`model_config=digits`): `epochs` = 40, `learning_rate` = 0.005
- Input features: `Digit` on `Image`
- Outputs: model file, `Predicted_Digit` on `Image`

## Validation
- Metric: accuracy
- Dataset: `testing`
- Threshold: accuracy >= 0.95

## Upstream designs
- [Digit](../feature/digit.md): the label
"""
FEATURE = """\
# Digit

Status: Approved

## Goal
Which digit a person sees.

## Requirements
- Target: `Image`
- Values: terms of `Digit_Class`

## Validation
- Dataset: all images
- Threshold: coverage >= 1

## Upstream designs
- None
"""
MODEL = "docs/design/model/digit-classifier.md"
CONFIG = {"model_config": {"epochs": 40, "learning_rate": 0.005, "hidden_units": 64}, "dry_run": False}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("docs/design/feature/digit.md", FEATURE)
    write(MODEL, GOOD)
    return tmp_path


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commit() -> None:
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "A version")


def linted(*names: str, config: dict[str, object] | None = None) -> Report:
    values = Configuration(CONFIG if config is None else config, "the configuration")
    return lint([Path(name) for name in names or (MODEL,)], lambda design: values)


def told(*names: str, config: dict[str, object] | None = None) -> list[str]:
    return [str(fault) for fault in linted(*names, config=config).faults]


def test_a_good_document_has_no_faults(project: Path) -> None:
    assert told(MODEL, "docs/design/feature/digit.md") == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("# Digit classifier\n", "", f"{MODEL}:1: has no title; begin it with: # Name of the model"),
        ("Status: Approved\n", "", f"{MODEL}:1: has no status; write below the title: Status: Draft"),
        (
            "Status: Approved",
            "Status: Aproved",
            f"{MODEL}:3: 'Aproved' is no status; did you mean 'Approved'?",
        ),
        (
            "Status: Approved",
            "Status: Draft\nStatus: Approved",
            f"{MODEL}:4: has a second status, Approved; keep one",
        ),
        (
            "Status: Approved",
            "Status: Validated",
            f"{MODEL}:3: Status Validated names no execution; let it be set: uv run record-verdict --execution <RID>",
        ),
        (
            "Which digit a scan shows.",
            "",
            f"{MODEL}:5: section Goal is empty; say what is predicted or asked, of which record, for whose decision",
        ),
        ("## Goal\nWhich digit a scan shows.\n", "", f"{MODEL}: has no section Goal; add: ## Goal"),
        ("## Validation", "## Goal\nx\n\n## Validation", f"{MODEL}:14: has a second section Goal; join the two"),
        ("one hidden layer", "TODO", f"{MODEL}:9: TODO is left; write it, or leave the line out"),
        ("one hidden layer", "…", f"{MODEL}:9: … is left; write it, or leave the line out"),
        (
            "one hidden layer",
            "<Kind of model, layers and sizes.>",
            f"{MODEL}:9: <Kind of model, layers and sizes.> of the template is left; write what is true for yours",
        ),
        (
            "- Architecture: one hidden layer\n",
            "",
            f"{MODEL}:8: Requirements says nothing of Architecture; add: - Architecture: …",
        ),
        (
            "accuracy >= 0.95",
            "as good as possible",
            f"{MODEL}:17: states no threshold with a number; write metric, direction and number, such as: "
            "- Threshold: accuracy >= 0.95",
        ),
        (
            "accuracy >= 0.95",
            "accuracy >= 95",
            f"{MODEL}:17: accuracy >= 95 cannot be: accuracy is 0 to 1; or write 95 %",
        ),
        (
            "- Dataset: `testing`\n",
            "",
            f"{MODEL}:14: Validation names no dataset; write a pin, RID@version or type, such as: - Dataset: `testing`",
        ),
        (
            "`epochs` = 40, `learning_rate` = 0.005",
            "forty epochs",
            f"{MODEL}:10: Hyperparameters name no key; "
            "write each in backquotes, with its value: `learning_rate` = 0.001",
        ),
        (
            "`epochs` = 40",
            "`epochs` = 50",
            f"{MODEL}:10: hyperparameter epochs is 50 here and 40 in the configuration; change the one that is wrong",
        ),
        (
            "`epochs` = 40",
            "`epoch` = 40",
            f"{MODEL}:10: hyperparameter epoch has no key in the configuration; did you mean 'epochs'?",
        ),
        (
            "`epochs` = 40",
            "`epochs`, `epochs`",
            f"{MODEL}:10: hyperparameter epochs stands in line 10 already",
        ),
        (
            "- [Digit](../feature/digit.md): the label",
            "- Feature `Digit`",
            f"{MODEL}:20: links no document: - Feature `Digit`; write [Name](../feature/slug.md), or None",
        ),
        (
            "feature/digit.md",
            "feature/digits.md",
            f"{MODEL}:20: ../feature/digits.md does not exist; uv run lint-design --new feature digits",
        ),
        (
            "../feature/digit.md",
            "https://example.org/a.md",
            f"{MODEL}:20: https://example.org/a.md is no design document; link one below docs/design",
        ),
        (
            "../feature/digit.md",
            "digit-classifier.md",
            f"{MODEL}:20: goes in a circle: digit-classifier -> digit-classifier; "
            "what a design gives is not upstream of it",
        ),
    ],
)
def test_each_fault_is_told_with_its_line_and_what_to_write(project: Path, old: str, new: str, expected: str) -> None:
    write(MODEL, GOOD.replace(old, new))
    assert told() == [expected]


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(project: Path) -> None:
    write(MODEL, GOOD.replace("0.95", "best").replace("Approved", "Ready").replace("epochs", "rounds"))
    assert [fault.line for fault in linted().faults] == [3, 10, 17]


def test_what_a_model_gives_is_not_upstream_of_it(project: Path) -> None:
    write(
        "docs/design/feature/digit.md", FEATURE.replace("- None", "- docs by `docs/design/model/digit-classifier.md`")
    )

    assert told() == [
        f"{MODEL}:20: goes in a circle: digit-classifier -> digit -> digit-classifier; "
        "what a design gives is not upstream of it"
    ]


@pytest.mark.parametrize("kind", ["model", "experiment", "dataset", "feature"])
def test_a_template_as_it_is_has_a_fault_for_every_place_that_is_to_be_filled_in(project: Path, kind: str) -> None:
    file = start(project, kind, "first")
    faults = linted(str(file.relative_to(project))).faults

    lines = file.read_text().splitlines()
    assert {fault.line for fault in faults} == {
        n for n, line in enumerate(lines, start=1) if "<" in line.replace("< ", "")
    }
    assert all("of the template is left" in fault.message for fault in faults)


def test_hyperparameters_of_other_parts_of_the_configuration_are_found_by_their_end(project: Path) -> None:
    write(MODEL, GOOD.replace("`epochs` = 40", "`rate` = 1, `deep.rate` = 2, `flag` = true, `sizes` = `[1, 2]`"))
    config: dict[str, object] = {
        "model_config": {"learning_rate": 0.005, "flag": True, "sizes": [1, 2]},
        "a": {"rate": 1},
        "b": {"deep": {"rate": 2}},
    }

    assert told(config=config) == [f"{MODEL}:10: hyperparameter rate may be a.rate or b.deep.rate; write the whole key"]


def test_names_of_files_are_slugs_in_a_folder_of_a_kind(project: Path) -> None:
    write("docs/design/models/My_Model.md", GOOD)

    assert told("docs/design/models/My_Model.md")[:2] == [
        "docs/design/models/My_Model.md: stands in models/; move it to docs/design/<model|experiment|dataset|feature>/",
        "docs/design/models/My_Model.md: 'My_Model' is no slug; name it by lower-case words with hyphens between",
    ]


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("Draft", "Approved", True),
        ("Approved", "Built", True),
        ("Approved", "Validated", True),
        ("Built", "Validated", True),
        ("Validated", "Draft", True),
        ("Built", "Draft", True),
        ("Draft", "Built", False),
        ("Draft", "Validated", False),
        ("Built", "Approved", False),
        ("Validated", "Built", False),
        ("Validated", "Approved", False),
    ],
)
def test_a_status_goes_forward_or_back_to_draft(project: Path, old: str, new: str, allowed: bool) -> None:
    evidence = " (execution 3-WXYZ)"
    write(MODEL, GOOD.replace("Approved", old + evidence))
    commit()
    write(MODEL, GOOD.replace("Approved", new + evidence))

    found = told()
    assert (
        found == []
        if allowed
        else found[0].startswith(f"{MODEL}:3: Status goes from {old} (committed) to {new}; after ")
    )


def test_a_step_that_was_committed_already_is_seen_as_well(project: Path) -> None:
    write(MODEL, GOOD.replace("Approved", "Draft"))
    commit()
    write(MODEL, GOOD.replace("Approved", "Validated (execution 3-WXYZ)"))
    commit()

    assert told() == [f"{MODEL}:3: Status goes from Draft (committed) to Validated; after Draft comes Approved"]


def test_a_document_does_not_begin_at_its_end(project: Path) -> None:
    commit()
    write("docs/design/model/other.md", GOOD.replace("Approved", "Built (execution 3-WXYZ)"))

    assert told("docs/design/model/other.md") == [
        "docs/design/model/other.md:3: Status Built on a document that was never committed; begin with Draft"
    ]


def test_what_cannot_be_compared_is_said(project: Path) -> None:
    report = lint([Path(MODEL)], lambda design: None)

    assert report.notes == [f"{MODEL}: hyperparameters not compared, the project has no configuration yet"]


def test_a_configuration_that_cannot_be_resolved_is_a_fault_of_its_line(project: Path) -> None:
    def refuse(design: Design) -> Configuration:
        raise UsageError("model_config=digits: there is no such option")

    assert [str(fault) for fault in lint([Path(MODEL)], refuse).faults] == [
        f"{MODEL}:10: model_config=digits: there is no such option"
    ]


def test_no_documents_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        documents([tmp_path / "docs"])
    with pytest.raises(Undecidable, match="No design document"):
        documents([tmp_path])


def test_a_file_that_is_no_text_is_a_fault(project: Path) -> None:
    Path(MODEL).write_bytes(b"\xff\xfe\x00")
    assert told()[0].startswith(f"{MODEL}: cannot be read: ")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    typed = [sys.executable, "-m", "deriva_ml_kit.cli.main", "lint-design", *arguments]
    return subprocess.run(typed, capture_output=True, text=True, check=False)


def test_the_command_begins_a_document_and_lists_what_is_to_be_done(project: Path) -> None:
    git("init", "-q")
    begun = command("--new", "experiment", "learning-rate", "--json")
    assert json.loads(begun.stdout)["written"] == "docs/design/experiment/learning-rate.md"

    done = command("docs/design/experiment", "--json")
    faults = json.loads(done.stdout)["error"]["faults"]
    assert done.returncode == 1
    assert faults[0] == {
        "message": "<What should happen and why, and what would change your mind.> of the template is left",
        "file": "docs/design/experiment/learning-rate.md",
        "line": 6,
        "remedy": "write what is true for yours",
    }


def test_the_command_compares_with_a_toml_file_that_the_document_names(project: Path) -> None:
    git("init", "-q")
    write(MODEL, GOOD.replace("model_config=digits", "src/configs/model.toml"))
    write("src/configs/model.toml", "epochs = 40\nlearning_rate = 0.01\n")

    done = command()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1] == (
        f"  {MODEL}:10: hyperparameter learning_rate is 0.005 here and 0.01 in src/configs/model.toml; "
        "change the one that is wrong"
    )


def test_the_designs_of_a_new_project_have_no_faults() -> None:
    folder = Path(__file__).parents[3] / "src/deriva_ml_kit/project/template/docs/design"
    report = lint(documents([folder]), lambda design: None)

    assert (report.files, report.faults) == (5, [])


def test_the_example_of_the_skill_has_no_faults(project: Path) -> None:
    page = Path(__file__).parents[3] / "skills/model-development-workflow/references/design-document.md"
    (example,) = re.findall(r"```markdown\n(.*?)```", page.read_text(), re.DOTALL)
    write(MODEL, example.replace("Status: Draft", "Status: Approved"))

    assert told() == []
