"""What is kept on this disk, and what can go."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import pytest

from deriva_ml_kit.mainline import DerivaML

pytestmark = pytest.mark.catalog
DAY = 24 * 3600


@pytest.fixture
def executions(ml: DerivaML) -> Path:
    """Folders of three executions: one old, one that another process works on, one of today."""
    root = ml.working_dir / "deriva-ml" / "execution"
    for name, age in (("1-OLD", 40), ("1-BUSY", 40), ("1-NEW", 0)):
        (root / name / "asset").mkdir(parents=True)
        (root / name / "asset" / "file.bin").write_bytes(bytes(1024))
        changed = time.time() - age * DAY
        state = {"execution_rid": name, "workflow_rid": "1", "description": "", "host": platform.node()}
        if name == "1-BUSY":
            (root / name / "execution.json").write_text(json.dumps(state | {"pid": os.getppid()}))
        os.utime(root / name, (changed, changed))
    return root


def test_folders_are_listed_with_their_size_newest_first(ml: DerivaML, executions: Path) -> None:
    listed = ml.list_execution_dirs()

    assert listed[0]["execution_rid"] == "1-NEW"
    assert {entry["execution_rid"] for entry in listed} == {"1-NEW", "1-OLD", "1-BUSY"}
    assert listed[0]["path"] == str(executions / "1-NEW")
    assert (listed[0]["size_bytes"], listed[0]["file_count"]) == (1024, 1)


def test_only_what_is_old_enough_and_idle_goes(ml: DerivaML, executions: Path) -> None:
    assert ml.clean_execution_dirs(exclude_rids=["1-OLD"], older_than_days=30)["dirs_removed"] == 0

    assert ml.clean_execution_dirs(older_than_days=30) == {"dirs_removed": 1, "bytes_freed": 1024, "errors": 0}
    assert {entry.name for entry in executions.iterdir()} == {"1-NEW", "1-BUSY"}
    assert ml.clean_execution_dirs()["dirs_removed"] == 1
    assert {entry.name for entry in executions.iterdir()} == {"1-BUSY"}


def test_the_summary_adds_up(ml: DerivaML, executions: Path) -> None:
    (ml.cache_dir / "something").mkdir(parents=True)
    (ml.cache_dir / "something" / "file").write_bytes(bytes(2**20))

    size, summary = ml.get_cache_size(), ml.get_storage_summary()

    assert size["total_mb"] >= 1
    assert size["file_count"] >= 1
    assert summary["execution_dir_count"] == 3
    assert summary["bag_count"] == 0
    assert summary["total_size_mb"] == pytest.approx(summary["cache_size_mb"] + summary["execution_size_mb"])


def test_nothing_kept_is_no_error(ml: DerivaML) -> None:
    assert ml.list_execution_dirs() == []
    assert ml.clean_execution_dirs() == {"dirs_removed": 0, "bytes_freed": 0, "errors": 0}
