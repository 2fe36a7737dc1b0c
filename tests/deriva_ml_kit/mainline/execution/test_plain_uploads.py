"""What the plain library does with outputs, and ours with the same script: its faults do not reach our users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.catalog

SCRIPT = """
import json, logging, sys, threading
from pathlib import Path
logging.disable(logging.CRITICAL)
library, hostname, catalog_id, working_dir = sys.argv[1:]
if library == "plain":
    from deriva_ml import DerivaML
    from deriva_ml.execution import ExecutionConfiguration
else:
    from deriva_ml_kit.mainline import DerivaML, ExecutionConfiguration

ml = DerivaML(hostname, catalog_id, working_dir=working_dir, use_minid=False)
snaptime = lambda: ml.catalog.get("/").json()["snaptime"]
workflow = ml.create_workflow("Outputs", "Training", "Makes files")

def run(names, **metadata):
    with ml.create_execution(ExecutionConfiguration(), workflow=workflow) as exe:
        for name in names:
            Path(exe.asset_file_path("Image", name, "Image", **metadata)).write_text(library + name)
    return exe

def stored(exe):
    links = ml.catalog.get(f"/entity/lab:Image_Execution/Execution={exe.execution_rid}/lab:Image").json()
    return {row["Filename"]: row["Split"] for row in links}

found = {}
exe = run(["plain.txt", "a b.txt", "model.best.pt", "README"], Split="train", Position=1)
exe.upload_execution_outputs()
found["names"] = sorted(stored(exe))

exe = run(["bare.txt"], Position=2)
exe.upload_execution_outputs()
found["not given"] = stored(exe).get("bare.txt")

exe, said = run(["thread.txt"], Split="train", Position=3), []
def upload():
    try:
        exe.upload_execution_outputs()
    except Exception as error:
        said.append(str(error))
thread = threading.Thread(target=upload)
thread.start(); thread.join()
found["in a thread"] = [sorted(stored(exe)), bool(said)]

before = snaptime()
with ml.create_execution(ExecutionConfiguration(), workflow=workflow, dry_run=True):
    pass
found["dry run wrote"] = snaptime() != before
print(json.dumps(found))
"""


@pytest.fixture
def play(lab: Any, repository: Any, tmp_path: Any) -> Any:
    def run(library: str) -> dict[str, Any]:
        repository.write("outputs.py", SCRIPT)
        repository.git("remote", "add", "origin", "https://example.org/lab.git")
        repository.commit()
        command = [sys.executable, "outputs.py", library, lab.hostname, lab.catalog_id, str(tmp_path / "work")]
        done = subprocess.run(
            command, cwd=repository.root, env=os.environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    return run


def test_the_plain_library_leaves_names_out_invents_values_needs_the_main_thread_and_writes_in_a_dry_run(play) -> None:
    found = play("plain")

    assert found == {
        "names": ["plain.txt"],
        "not given": "None",
        "in a thread": [[], True],
        "dry run wrote": True,
    }


def test_ours_does_none_of_that(play) -> None:
    found = play("ours")

    assert found == {
        "names": ["README", "a b.txt", "model.best.pt", "plain.txt"],
        "not given": None,
        "in a thread": [["thread.txt"], False],
        "dry run wrote": False,
    }
