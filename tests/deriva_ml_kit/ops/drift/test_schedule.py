from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from deriva_ml_kit.cli.ops import schedule_drift
from deriva_ml_kit.cli.subcommand import program
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.drift.schedule import Job, When, cron_line, github_workflow, systemd_units

ODD = ["uv", "run", "deriva-ml-ops", "monitor-drift", "--file", 'it\'s 100% $HOME;"x".csv']
# crontab(5): five fields, each a star or a number in its range, as we write them.
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def job(every: str = "day", at: str = "06:30", words: list[str] = ODD) -> Job:
    return Job(words, Path("/home/me/my project"), When.of(every, at))


@pytest.mark.parametrize(
    ("every", "cron", "calendar"),
    [
        ("hour", "30 * * * *", "*-*-* *:30:00"),
        ("day", "30 6 * * *", "*-*-* 06:30:00"),
        ("week", "30 6 * * 1", "Mon *-*-* 06:30:00"),
        ("month", "30 6 1 * *", "*-*-01 06:30:00"),
    ],
)
def test_cron_and_systemd_mean_the_same_time(every: str, cron: str, calendar: str) -> None:
    when = When.of(every, "06:30")
    assert (when.cron, when.calendar) == (cron, calendar)
    for field, (low, high) in zip(when.cron.split(), RANGES, strict=True):
        assert field == "*" or low <= int(field) <= high
    if program := shutil.which("systemd-analyze"):
        subprocess.run([program, "calendar", when.calendar], check=True, capture_output=True)


@pytest.mark.parametrize("at", ["6", "24:00", "06:60", "-1:00", "06:3x", ""])
def test_a_time_that_does_not_exist_is_refused(at: str) -> None:
    with pytest.raises(UsageError, match="no time"):
        When.of("day", at)


def test_a_cron_line_gives_the_shell_the_words_as_they_were() -> None:
    line = cron_line(job())
    assert line.count("\n") == 1 and not re.search(r"(?<!\\)%", line)
    command = line.rstrip("\n").split(" ", 5)[5].replace("\\%", "%")  # what cron hands to the shell
    assert shlex.split(command) == ["cd", "/home/me/my project", "&&", *ODD]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = systemd_units(job(words=[shutil.which("true") or "/bin/true", *ODD[1:]]))
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    service = ConfigParser(interpolation=None, delimiters="=")
    service.optionxform = str  # type: ignore[assignment, method-assign]
    service.read_string(units["deriva-ml-drift.service"])
    assert service["Service"]["ExecStart"].endswith('"it\'s 100%% $$HOME;\\"x\\".csv"')
    assert service["Service"]["WorkingDirectory"] == "/home/me/my project"
    if program := shutil.which("systemd-analyze"):
        paths = [str(tmp_path / name) for name in units]
        done = subprocess.run([program, "--user", "verify", *paths], capture_output=True, text=True, check=False)
        about = [line for line in done.stderr.splitlines() if "deriva-ml-drift" in line]
        assert not about, about


def test_the_workflow_runs_the_command_and_holds_no_secret() -> None:
    text = github_workflow(job("week"), runner="[self-hosted, linux]")
    document = yaml.safe_load(text)
    assert document[True] == {"schedule": [{"cron": "30 6 * * 1"}], "workflow_dispatch": None}  # YAML 1.1 reads `on`
    monitor = document["jobs"]["monitor"]
    assert monitor["runs-on"] == ["self-hosted", "linux"]
    compare = next(step for step in monitor["steps"] if step.get("name") == "Compare")
    assert shlex.split(compare["run"]) == ODD
    for step in monitor["steps"]:
        for value in step.get("env", {}).values():
            assert re.fullmatch(r"\$\{\{ secrets\.[A-Z_]+ \}\}", value)
        assert step.get("uses") or "secrets." not in step["run"]  # only by the environment: scripts are logged


def schedule(*words: str) -> dict[str, Any]:
    """The command as it is typed, for a catalog that need not be there."""
    made = program("deriva-ml-ops", "", "")
    schedule_drift.add(made.add_subparsers(required=True))
    args = made.parse_args(["schedule-drift", "--hostname", "data.example.org", "--catalog-id", "1", *words])
    found: dict[str, Any] = args.main(args)
    return found


def test_the_command_writes_what_is_to_be_repeated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--write", "units", "--", "--model", "digits", "--dataset", "1-ABCD"]
    found = schedule("--as", "systemd", "--every", "week", *given)
    assert sorted(each.name for each in Path("units").iterdir()) == ["deriva-ml-drift.service", "deriva-ml-drift.timer"]
    assert schedule("--as", "systemd", "--every", "week", *given) == found
    assert (
        "--hostname data.example.org --catalog-id 1 --model digits" in Path("units/deriva-ml-drift.service").read_text()
    )
    with pytest.raises(UsageError, match="is there and differs"):
        schedule("--as", "systemd", "--every", "day", *given)
    text = schedule("--as", "cron", "--json", *given[2:])["files"]["deriva-ml-drift.cron"]
    assert text.startswith("30 6 * * * cd ") and str(tmp_path) in text


def test_what_must_not_or_cannot_be_repeated_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    batch = ["--model", "digits", "--file", "x.csv"]
    with pytest.raises(UsageError, match="file that others read"):
        schedule("--as", "cron", "--", *batch, "--webhook", "https://hooks.example.org/s3cret")
    with pytest.raises(UsageError, match="line break"):
        schedule("--as", "cron", "--", *batch, "--on-drift", "a\nb")
    with pytest.raises(UsageError, match="cannot reach it"):
        schedule("--hostname", "localhost:8443", "--as", "github", "--", *batch)
    with pytest.raises(SystemExit) as refused:
        schedule("--as", "cron", "--", "--model", "digits")
    assert refused.value.code == 2
