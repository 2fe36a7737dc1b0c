"""Running a person's commands."""

import sys

import pytest

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.project.shell import Shell


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path, tmp_path / "log")


def test_the_last_line_of_output_is_the_result(shell):
    assert shell.run_json(sys.executable, "-c", "print('noise'); print('{\"rid\": \"1-AB\"}')") == {"rid": "1-AB"}


def test_a_failure_tells_the_command_its_exit_code_and_what_it_said(shell):
    with pytest.raises(KitError, match=r"(?s)exit code 3.*no such term"):
        shell.run(sys.executable, "-c", "import sys; print('no such term', file=sys.stderr); sys.exit(3)")


def test_a_failure_reported_as_json_is_told_by_its_message_and_remedy(shell):
    error = '{"error": {"message": "unknown term", "remedy": "add it"}}'

    with pytest.raises(KitError, match="unknown term\nadd it"):
        shell.run(sys.executable, "-c", f"print('{error}'); raise SystemExit(1)")


def test_every_command_and_its_output_stand_in_the_log(shell):
    shell.run(sys.executable, "-c", "print('hello')")

    text = shell.log.read_text()
    assert "print('\"'\"'hello'\"'\"')" in text
    assert "\nhello\n" in text
