"""pipeline.toml: everything that is wrong is told at once; values stay within their words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import Faults, UsageError
from deriva_ml_kit.ops.pipeline.checks import read_rules
from deriva_ml_kit.ops.pipeline.ci import workflow_file
from deriva_ml_kit.ops.pipeline.definition import Pipeline, Stage, filled, read

TEMPLATE = Path(__file__).parents[4] / "skills/ml-ops/scripts/pipeline.toml"
GOOD = """
name = "digits"
[parameters]
epochs = 3
[[stages]]
name = "split"
command = "python split.py --catalog {catalog_id}"
makes = ["Model_File"]
[[stages]]
name = "train"
command = ["python train.py --epochs {parameter.epochs}", "python look.py {split.Model_File} {dataset.all} {{x}}"]
needs = ["split"]
datasets = ["all"]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "pipeline.toml"
    file.write_text(text)
    return file


def test_a_pipeline_is_read(tmp_path: Path) -> None:
    pipeline = read(written(tmp_path, GOOD))
    assert [stage.name for stage in pipeline.stages] == ["split", "train"]
    assert pipeline.stages[0].command == ("python split.py --catalog {catalog_id}",)
    assert pipeline.with_parameters({"epochs": "9"}).parameters == {"epochs": "9"}
    with pytest.raises(UsageError, match="no parameter epoch"):
        pipeline.with_parameters({"epoch": "9"})


@pytest.mark.parametrize(
    ("before", "after", "column", "told"),
    [
        ('needs = ["split"]', 'needs = ["spilt"]', "stages.train.needs", "did you mean 'split'"),
        ('needs = ["split"]', "", "stages.train.command", 'needs = ["split"]'),
        ('makes = ["Model_File"]', "", "stages.train.command", 'makes = ["Model_File"]'),
        ('datasets = ["all"]', "", "stages.train.command", 'datasets = ["all"]'),
        ("{parameter.epochs}", "{parameter.epoch}", "stages.train.command", "parameter.epochs"),
        ("{catalog_id}", "{catalog}", "stages.split.command", "catalog_id"),
        ('name = "train"', 'name = "split"', "stages.split", "used already"),
        ('name = "train"', 'name = "Train it"', "stages.Train it.name", "should match"),
        ("python split.py", "'", "stages.split.command", "taken apart"),
        ("python split.py", "deriva-ml-ops promote 1-A --to Production", "stages.split.command", "a person promotes"),
        ('datasets = ["all"]', 'datasets = ["all"]\ndata = 1', "stages.train.data", "not permitted"),
        ('datasets = ["all"]', 'datasets = ["all"]\ntables = ["Image"]', "stages.train.tables", "SCHEMA:TABLE"),
    ],
)
def test_what_is_wrong_is_named_with_its_stage_and_a_remedy(
    tmp_path: Path, before: str, after: str, column: str, told: str
) -> None:
    assert before in GOOD
    with pytest.raises(Faults) as refused:
        read(written(tmp_path, GOOD.replace(before, after)))
    assert column in {fault.column for fault in refused.value.faults}
    assert told in str(refused.value)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('needs = ["split"]', 'needs = ["a"]').replace("{catalog_id}", "{nothing}")
    with pytest.raises(Faults) as refused:
        read(written(tmp_path, text))
    assert len(refused.value.faults) == 3


@pytest.mark.parametrize("text", ["", "name = ", 'name = "x"\nstages = []'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read(written(tmp_path, text))
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "no.toml")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_a_value_is_one_word_whatever_stands_in_it(value: str) -> None:
    assert filled("run --x={parameter.v} {{y}}", {"parameter.v": value}) == ["run", f"--x={value}", "{y}"]


def test_the_template_is_a_pipeline() -> None:
    assert len(read(TEMPLATE).stages) >= 6


@pytest.mark.parametrize("commits", [(), ("src/configs/datasets.toml",)])
def test_the_workflow_file_runs_the_pipeline_and_can_push_only_where_stages_commit(commits: tuple[str, ...]) -> None:
    pipeline = Pipeline(name="digits", stages=(Stage(name="a", command=("x",), commits=commits),))
    document = yaml.safe_load(
        workflow_file(pipeline, "ops/the pipeline.toml", schedule="17 3 * * 1", runner="self-hosted")
    )
    triggers = document[True]  # YAML 1.1 reads `on` so
    assert triggers["schedule"] == [{"cron": "17 3 * * 1"}]
    assert "workflow_dispatch" in triggers
    assert {"ops/the pipeline.toml", "src/configs/**"} <= set(triggers["push"]["paths"])
    assert document["permissions"] == {"contents": "write" if commits else "read"}
    job = document["jobs"]["pipeline"]
    assert job["runs-on"] == "self-hosted"
    runs = [step.get("run", "") for step in job["steps"]]
    assert any("deriva-ml-ops run-pipeline 'ops/the pipeline.toml'" in run for run in runs)
    assert any("git push" in run for run in runs) == bool(commits)
    logs_in = next(step for step in job["steps"] if step.get("name") == "Log in")
    assert logs_in["env"] == {"DERIVA_CREDENTIAL": "${{ secrets.DERIVA_CREDENTIAL }}"}
    assert "promote" not in str(document)


def test_the_template_of_rules_holds_rules() -> None:
    assert read_rules(TEMPLATE.with_name("data-rules.toml")).min_rows == 100
