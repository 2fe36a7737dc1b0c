"""Scripts are run as people run them: as programs of their own."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deriva_ml_kit.script import progress, summary

PLACE = ("--hostname", "data.example.org", "--catalog-id", "1", "--workflow-type", "Training")


@pytest.fixture
def run_script(tmp_path: Path):
    def run(body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.py"
        script.write_text(
            "import logging, os, sys, time, warnings\n"
            "from deriva_ml_kit.errors import Fault, Faults, KitError\n"
            "from deriva_ml_kit.script import parser, progress, run\n"
            f"def main(args):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
            "run(main, parser('What it does.'))\n"
        )
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_a_result_is_one_json_line_on_stdout_whatever_else_is_printed(run_script) -> None:
    done = run_script("print('noise'); return {'rid': '1-ABCD', 'values': 3}", *PLACE, "--json")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"rid": "1-ABCD", "values": 3})
    assert done.stdout.count("\n") == 1
    assert "noise" in done.stderr


def test_a_result_is_readable_without_json(run_script) -> None:
    done = run_script("return {'execution_rid': '1-ABCD', 'files': ['a', 'b']}", *PLACE)

    assert done.stdout == "execution rid  1-ABCD\nfiles          a\n               b\n"


def test_an_expected_error_is_a_message_and_not_a_traceback(run_script) -> None:
    done = run_script("raise KitError('It is gone.', remedy='Look elsewhere.')", *PLACE)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: It is gone.\nLook elsewhere.\n"


def test_an_error_is_also_json_when_asked_for(run_script) -> None:
    done = run_script("raise Faults([Fault('bad', line=3)])", *PLACE, "--json")

    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["faults"] == [{"message": "bad", "line": 3}]


def test_an_error_of_the_library_is_a_message_too(run_script) -> None:
    body = (
        "from deriva_ml_kit.mainline import DerivaMLInvalidTerm\nraise DerivaMLInvalidTerm('Workflow_Type', 'Trainin')"
    )
    done = run_script(body, *PLACE)

    assert done.returncode == 1
    assert done.stderr.startswith("error: Invalid term Trainin in vocabulary Workflow_Type")
    assert "Traceback" not in done.stderr


def test_an_error_in_the_persons_own_code_shows_where_it_is(run_script) -> None:
    done = run_script("return 1 / 0", *PLACE)

    assert done.returncode == 1
    assert "return 1 / 0" in done.stderr


def test_wrong_usage_exits_with_2_and_says_so_in_json_as_well(run_script) -> None:
    done = run_script("return {}", "--hostname", "data.example.org", "--json")

    assert done.returncode == 2
    assert "--catalog-id" in json.loads(done.stdout)["error"]["message"]


def test_a_host_may_be_pasted_as_an_address_but_not_as_a_path(run_script) -> None:
    place = ("--catalog-id", "1", "--workflow-type", "T")
    assert run_script("return {'h': args.hostname}", "--hostname", "https://h.org/", *place).stdout == "h  h.org\n"
    assert run_script("return {}", "--hostname", "h.org/chaise", *place).returncode == 2


def test_dry_run_and_allow_dirty_reach_the_library_through_its_environment(run_script) -> None:
    body = "return {n: os.environ.get('DERIVA_ML_' + n) for n in ('DRY_RUN', 'ALLOW_DIRTY')}"

    assert json.loads(run_script(body, *PLACE, "--json").stdout) == {"DRY_RUN": None, "ALLOW_DIRTY": None}
    assert json.loads(run_script(body, *PLACE, "--json", "--dry-run").stdout) == {
        "DRY_RUN": "true",
        "ALLOW_DIRTY": None,
    }
    assert json.loads(run_script(body, *PLACE, "--json", "--allow-dirty").stdout)["ALLOW_DIRTY"] == "true"


def test_libraries_are_heard_only_when_asked_for(run_script) -> None:
    body = "logging.getLogger('deriva_ml').warning('chatter'); logging.getLogger('mine').warning('my own words')"

    assert run_script(body, *PLACE).stderr == "my own words\n"
    assert "chatter" in run_script(body, *PLACE, "--verbose").stderr


def test_ctrl_c_ends_with_130_and_one_line(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        # A shell starts what it runs in the background with interrupts ignored, and that is inherited.
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from deriva_ml_kit.script import parser, run\n"
        "def main(args):\n    print('ready', flush=True)\n    time.sleep(60)\nrun(main, parser(''))\n"
    )
    command = [sys.executable, str(script), *PLACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert said.strip() == "Interrupted. Run the same command again to continue."


def test_help_teaches_what_a_dry_run_is_and_where_the_host_comes_from(run_script) -> None:
    said = " ".join(run_script("return {}", "--help").stdout.split())

    assert "deriva-local status" in said
    assert "no uploads" in said


def test_progress_hands_out_everything_and_is_silent_without_a_terminal(run_script) -> None:
    body = "with progress(3, 'Up') as advance: advance(3)\nreturn {'n': list(progress(range(5), 'Work'))}"
    done = run_script(body, *PLACE, "--json")

    assert json.loads(done.stdout) == {"n": [0, 1, 2, 3, 4]}
    assert done.stderr == ""


def test_progress_reads_an_iterator_lazily() -> None:
    assert next(progress(iter(range(10**12)), "Work")) == 0


def test_a_summary_indents_what_is_nested_and_says_none_for_an_empty_list() -> None:
    assert summary({"a": {"b_c": 0.5}, "d": [], "e": True}) == "a\n  b c  0.5\nd  none\ne  yes"


def test_a_script_with_the_plain_librarys_class_is_refused_before_it_does_anything(run_script) -> None:
    done = run_script("from deriva_ml import DerivaML\nprint('ran')", *PLACE, "--dry-run")

    assert (done.returncode, done.stdout) == (2, "")
    assert "script.py:5: DerivaML of the plain deriva_ml\nImport them from deriva_ml_kit instead" in done.stderr
