"""What a run records: curves of any length stay small, commands are found again in what was recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.errors import Undecidable, UsageError
from deriva_ml_kit.ops.tracking.again import command
from deriva_ml_kit.ops.tracking.record import POINTS, Run, _flat
from deriva_ml_kit.ops.tracking.recorded import Recorded
from deriva_ml_kit.ops.tracking.runs import measured
from deriva_ml_kit.ops.tracking.source import place_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RUN = Recorded(
    rid="3-A",
    description="",
    status="Uploaded",
    script="src/scripts/train.py",
    revisions=(COMMIT,),
    script_commit=None,
    argv=("src/scripts/train.py", "--hostname", "localhost:1", "--catalog-id=7", "--config", "/home/x/p/a.toml"),
    folder=".",
    root="/home/x/p",
    overrides=None,
    config_name=None,
    gated=True,
    datasets=(),
    python="3.11",
    packages={},
    metrics={},
    outputs=(),
)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5 * POINTS))
def test_a_curve_of_any_length_keeps_its_ends_and_few_points_between(count: int) -> None:
    run = Run()
    for step in range(count):
        run.value("loss", step / 2)
    curve = run._curves["loss"].done()
    assert (curve.steps[0], curve.steps[-1]) == (0, count - 1)
    assert len(curve.steps) <= POINTS
    assert len(curve.steps) >= min(count, POINTS // 2)
    assert curve.values == tuple(step / 2 for step in curve.steps)
    assert list(curve.steps) == sorted(set(curve.steps))


def test_steps_rise_and_metrics_are_numbers() -> None:
    run = Run()
    run.value("loss", 1.0, step=10)
    run.value("loss", 0.5)
    assert run._curves["loss"].done().steps == (10, 11)
    with pytest.raises(UsageError, match="Step 11 of loss"):
        run.value("loss", 1.0, step=11)
    with pytest.raises(UsageError, match="accuracy is no number"):
        run.metrics({"accuracy": "high"})  # type: ignore[dict-item]


def test_parameters_are_flat_and_plain() -> None:
    assert dict(_flat({"model": {"units": 3, "layers": [1, 2]}, "on": None})) == {
        "model.units": 3,
        "model.layers": "1, 2",
        "on": None,
    }
    with pytest.raises(UsageError, match=r"model\.it is a object"):
        dict(_flat({"model": {"it": object()}}))


def test_numbers_of_metrics_are_metrics_and_lists_of_them_curves() -> None:
    metrics, curves = measured({"a": 1, "b": {"c": 0.5}, "ok": True, "loss": [3, 2, 1.5], "names": ["x", "y"]})
    assert metrics == {"a": 1.0, "b.c": 0.5}
    assert {name: (curve.steps, curve.values) for name, curve in curves.items()} == {"loss": ((0, 1, 2), (3, 2, 1.5))}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"https://github.com/lab/digits/blob/{COMMIT}/src/train.py", "src/train.py"),
        (f"swh:1:cnt:{COMMIT};anchor=swh:1:rev:{COMMIT};path=/src/train.py", "src/train.py"),
        ("pkg:pypi/deriva-ml-kit@0.1.0#deriva_ml_kit/ops/gate.py", None),
        (None, None),
    ],
)
def test_a_workflow_names_its_file(url: str | None, path: str | None) -> None:
    place = place_of(url)
    assert (place.path if place else None) == path
    assert place is None or place.commit == COMMIT


def test_a_script_is_called_as_before_at_the_catalog_as_it_is_called_now() -> None:
    words = command(RUN, "data.example.org", "42")[1:]
    assert words == [
        "src/scripts/train.py",
        *("--hostname", "data.example.org", "--catalog-id=42", "--config", "a.toml"),
        *("--override-tier", "reproduces execution 3-A"),
    ]
    inside = replace(RUN, folder="src", gated=False)
    assert command(inside, "h", "1")[1] == "scripts/train.py"
    assert command(inside, "h", "1")[-1] == "../a.toml"
    assert command(RUN, "h", "1", locked=True)[:4] == ["uv", "run", "--frozen", "python"]


def test_a_job_is_called_by_its_overrides_without_those_of_place_and_sweep() -> None:
    job = replace(
        RUN,
        overrides=(
            "+experiment=x",
            "model_config.lr=0.1",
            "++sequence=3",
            "++sweep={folder:a}",
            "deriva_ml.hostname=h",
        ),
        config_name="deriva_model",
    )
    words = command(job, "data.example.org", "42")
    assert words[-2:] == ["+experiment=x", "model_config.lr=0.1"]
    assert words[1:5] == ["-m", "deriva_ml_kit.runner.command", "--config-name", "deriva_model"]


def test_a_sweep_as_a_whole_cannot_be_made_again() -> None:
    with pytest.raises(Undecidable, match="left no command line"):
        command(replace(RUN, argv=("deriva-ml-run", "+multirun=x")), "h", "1")
