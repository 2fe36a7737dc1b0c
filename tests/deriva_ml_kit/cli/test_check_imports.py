"""`deriva-ml-kit check-imports` as people run it."""

import json
import subprocess
import sys
from pathlib import Path


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deriva_ml_kit.cli.main", "check-imports", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_plain_class_below_src_is_named_with_its_place_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "src" / "lab").mkdir(parents=True)
    (tmp_path / "src" / "lab" / "ml.py").write_text("import deriva_ml\nclass LabML(deriva_ml.DerivaML): ...\n")
    (tmp_path / "src" / "train.py").write_text("from deriva_ml import DerivaML, BuiltinTypes\n")

    done = check(tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert [line.strip() for line in done.stderr.splitlines()[1:3]] == [
        "src/lab/ml.py:2: DerivaML of the plain deriva_ml",
        "src/train.py:1: DerivaML of the plain deriva_ml",
    ]
    assert "from deriva_ml_kit" in done.stderr


def test_a_project_that_takes_ours_passes(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("from deriva_ml_kit import DerivaML\n")
    done = check(tmp_path, "train.py", "--json")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"files": 1, "plain_imports": 0})


def test_a_place_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    done = check(tmp_path, "src")

    assert done.returncode == 2
    assert "No such file or folder: src" in done.stderr
