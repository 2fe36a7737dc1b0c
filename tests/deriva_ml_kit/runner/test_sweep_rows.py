"""The table of a sweep's jobs, the key of a sweep, and what the catalog corrects: all without a catalog."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit.runner.sweep.folder import held, is_held, read_rows, write_row, write_table
from deriva_ml_kit.runner.sweep.job import as_overrides
from deriva_ml_kit.runner.sweep.jobs import key_of, swept_keys
from deriva_ml_kit.runner.sweep.rows import Child, JobStatus, Row, as_csv, as_text, of_each, settled, tally

text = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
numbered = st.builds(
    Row,
    number=st.integers(0, 99),
    overrides=st.lists(text, max_size=3).map(tuple),
    status=st.sampled_from(JobStatus),
    execution_rid=st.none() | st.just("1-ABCD"),
    seconds=st.none() | st.floats(0, 1e6),
    metrics=st.dictionaries(text, values, max_size=3),
    error=st.none() | text,
)
configs = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2) | st.dictionaries(st.just("d"), values), min_size=1)


@settings(deadline=None)
@given(numbered)
def test_a_row_comes_back_from_json(row: Row) -> None:
    assert Row.from_json(json.loads(json.dumps(row.as_json(), allow_nan=False))) == row


@settings(deadline=None)
@given(st.lists(numbered, max_size=5))
def test_csv_has_one_line_a_job_whatever_it_says(rows: list[Row]) -> None:
    read = list(csv.DictReader(io.StringIO(as_csv(rows), newline="")))
    assert [(line["number"], line["error"]) for line in read] == [(str(row.number), row.error or "") for row in rows]


@settings(deadline=None)
@given(st.lists(numbered, max_size=5))
def test_the_tally_counts_each_job_once(rows: list[Row]) -> None:
    numbers = [int(part.split()[0]) for part in tally(rows).split(", ")]
    assert sum(numbers) == len(rows)
    assert f"of {len(rows)} job" in tally(rows)


def test_metrics_that_json_lacks_are_said_as_text() -> None:
    class Numpy:
        ndim = 0

        def item(self) -> float:
            return 0.5

    row = Row(0, (), metrics={"loss": math.nan, "accuracy": Numpy(), "sizes": (1, 2), "model": Path("m.pt")})
    assert row.as_json()["metrics"] == {"loss": "nan", "accuracy": 0.5, "sizes": [1, 2], "model": "m.pt"}


def test_the_table_shows_numbers_aligned_and_errors_below_their_job() -> None:
    rows = [
        Row(0, ("model_config.learning_rate=0.1",), JobStatus.PASSED, "1-A1", 12.34, {"loss": 0.123456}),
        Row(1, ("model_config.learning_rate=10",), JobStatus.FAILED, "1-A2", 3.0, {}, "KitError: diverged\nlong story"),
        Row(2, ("model_config.learning_rate=1",)),
    ]
    assert as_text(rows) == (
        "job  status   execution  seconds  loss    overrides\n"
        "0    passed   1-A1       12.3     0.1235  model_config.learning_rate=0.1\n"
        "1    failed   1-A2       3.0              model_config.learning_rate=10\n"
        "     KitError: diverged\n"
        "2    not run  -                           model_config.learning_rate=1"
    )
    assert tally(rows) == "1 of 3 jobs passed, 1 failed, 1 not run"


def test_the_table_shows_the_metrics_in_which_jobs_differ_and_that_fit() -> None:
    same = {"images": 80, "epochs": 3, "batches": 9, "seed": 1, "curve": [0.5] * 9}
    rows = [Row(number, (), JobStatus.PASSED, metrics={**same, "accuracy": number / 3}) for number in range(2)]
    assert as_text(rows).splitlines()[0].split()[4:] == ["accuracy", "images", "epochs", "batches", "overrides"]


PASSED, FAILED, KILLED, INTERRUPTED = JobStatus.PASSED, JobStatus.FAILED, JobStatus.KILLED, JobStatus.INTERRUPTED


@pytest.mark.parametrize(
    ("noted", "rid", "in_catalog", "becomes"),
    [
        (JobStatus.PASSED, "1-A", "Uploaded", PASSED),
        (JobStatus.PASSED, "1-A", "Pending_Upload", FAILED),
        (JobStatus.PASSED, "1-A", None, FAILED),
        (JobStatus.FAILED, "1-A", "Uploaded", FAILED),  # a check failed; its outputs say so
        (JobStatus.FAILED, "1-A", "Failed", FAILED),
        (JobStatus.FAILED, None, None, FAILED),
        (JobStatus.RUNNING, None, None, KILLED),
        (JobStatus.RUNNING, None, "Running", KILLED),
        (JobStatus.RUNNING, None, "Uploaded", PASSED),
        (JobStatus.NOT_RUN, None, "Uploaded", PASSED),  # in another clone
        (JobStatus.NOT_RUN, None, "Failed", FAILED),
        (JobStatus.NOT_RUN, None, "Aborted", INTERRUPTED),
        (JobStatus.NOT_RUN, None, None, JobStatus.NOT_RUN),
        (JobStatus.INTERRUPTED, None, "Aborted", INTERRUPTED),
    ],
)
def test_the_catalog_wins(noted: JobStatus, rid: str | None, in_catalog: str | None, becomes: JobStatus) -> None:
    row = Row(3, ("a=1",), noted, rid, error="what it said" if noted is FAILED else None)
    child = Child("1-A", 3, in_catalog, "as told") if in_catalog else None
    found = settled(row, child)
    assert found.status is becomes
    assert (found.number, found.overrides) == (3, ("a=1",))
    assert found.execution_rid == ("1-A" if child else rid)
    assert found.passed or found.error or becomes in (JobStatus.NOT_RUN, INTERRUPTED)


def test_the_execution_that_is_done_counts_else_the_last() -> None:
    words = ["Failed", "Uploaded", "Running"]
    again = [Child(f"1-{word}", 0, word) for word in words]
    assert of_each(again)[0].status == "Uploaded"
    assert of_each([again[0], again[2], Child("1-X", 1, "Aborted")])[0].status == "Running"


@settings(deadline=None)
@given(st.lists(configs, min_size=1, max_size=4))
def test_swept_keys_are_those_without_which_all_jobs_are_the_same(found: list[dict[str, Any]]) -> None:
    keys = swept_keys([{"model_config": config, "description": str(n)} for n, config in enumerate(found)])
    flat = [_flat(config, "model_config") for config in found]
    kept = [{key: value for key, value in each.items() if key not in keys} for each in flat]
    assert all(each == kept[0] for each in kept)
    assert all(len({repr(each.get(key, "absent")) for each in flat}) > 1 for key in keys)


def _flat(config: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(config, dict) or not config:
        return {prefix: config}
    parts = [_flat(value, f"{prefix}.{name}") for name, value in config.items()]
    return {key: value for part in parts for key, value in part.items()}


def test_another_function_is_no_swept_value() -> None:
    small = {"model_config": {"_target_": "m.small", "width": 8}, "description": "a"}
    large = {"model_config": {"_target_": "m.large", "width": 9}, "description": "b"}
    assert swept_keys([small, large]) == {"model_config.width"}


SMALL = {"model_config": {"rate": 0.1}, "datasets": {"training": "1-AB"}, "parent_execution": None}


@pytest.mark.parametrize(
    "other",
    [
        {"jobs": [SMALL, SMALL]},
        {"jobs": [{**SMALL, "model_config": {"rate": 0.2}}]},
        {"jobs": [{**SMALL, "datasets": {"training": "1-AC"}}]},
        {"jobs": [{**SMALL, "assets": ["1-AD"]}]},
        {"jobs": [{**SMALL, "tier": 3}]},
        {"commit": "d"},
        {"hostname": "i"},
        {"catalog_id": "2"},
    ],
)
def test_the_key_stands_for_jobs_commit_and_catalog(other: dict[str, Any]) -> None:
    def key(jobs: Any = (SMALL,), commit: str = "c", hostname: str = "h", catalog_id: str = "1") -> str:
        return key_of(jobs, commit=commit, hostname=hostname, catalog_id=catalog_id)

    assert key(**other) != key()
    assert key([{**SMALL, "parent_execution": "1-P", "swept": ["a"], "description": "again"}]) == key()


def test_the_key_stands_for_the_order_of_the_jobs() -> None:
    pair = [SMALL, {**SMALL, "model_config": {"rate": 0.2}}]
    key, turned = (key_of(jobs, commit="c", hostname="h", catalog_id="1") for jobs in (pair, pair[::-1]))
    assert key != turned


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12))
def test_a_folder_of_any_name_reaches_the_jobs(name: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: PLC0415

    folder = Path("/tmp") / name.replace("/", "-")
    overrides = OverridesParser.create().parse_overrides(as_overrides("1-P", folder, {"model_config.rate"}, [2, 0]))
    assert {each.key_or_group: each.value() for each in overrides} == {
        "parent_execution": "1-P",
        "swept": ["model_config.rate"],
        "sweep": {"folder": str(folder), "done": [0, 2]},
    }


def test_a_folder_is_held_by_one_and_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from deriva_ml_kit.runner.sweep.folder import held
with held(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        with held(tmp_path) as free:
            assert not free
        os.kill(holder.pid, signal.SIGKILL)
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "nowhere")


def test_a_table_holds_every_row_as_json_and_csv(tmp_path: Path) -> None:
    rows = [Row(0, ("a=1",), PASSED, "1-A", 1.5, {"loss": 0.5}), Row(1, ("a=2",), FAILED, error="two\nlines")]
    for row in rows:
        write_row(tmp_path, row)
    assert read_rows(tmp_path, range(3)) == dict(enumerate(rows))
    as_json, table = write_table(tmp_path, {"sweep": "s"}, rows)
    document = json.loads(as_json.read_text())
    assert (document["sweep"], [Row.from_json(job) for job in document["jobs"]]) == ("s", rows)
    assert [line["metric:loss"] for line in csv.DictReader(table.open(newline=""))] == ["0.5", ""]
