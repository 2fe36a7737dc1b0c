"""The tools on the command line: what is typed reaches them, and what they answer can be read."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from deriva_ml_kit.cli import main as program
from deriva_ml_kit.tools import registry
from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.failure import Code, ToolError
from deriva_ml_kit.tools.registry import Effect, also, tool


class Part(BaseModel):
    name: str
    size: int = 1


class Echo(Answer):
    given: dict[str, Any]
    rows: list[dict[str, Any]] = Field(default_factory=list)


def shop_order(  # noqa: PLR0917  (as tools are written)
    call: Call,
    kind: Annotated[Literal["tea", "coffee"], Field(description="What to drink: 100 % of it")],
    names: Annotated[list[str] | None, Field(validation_alias=also("names", "name_list"))] = None,
    parts: list[Part] | None = None,
    options: dict[str, Any] | None = None,
    count: int = 3,
    hot: bool = True,
    dry_run: bool = False,
) -> Echo:
    """Order something to drink."""
    given = {name: value for name, value in locals().items() if name != "call"}
    given["parts"] = [part.model_dump() for part in parts or []]
    rows = [{"RID": "1-AB", "Name": "first", "Note": None}, {"RID": "1-AC", "Name": "second", "Note": None}]
    return Echo(given=given, rows=rows, next_step="Drink it.")


class Failing(Answer):
    pass


def shop_fail(call: Call, code: str) -> Failing:
    """Fail."""
    if code == "print":
        print("libraries talk")
        raise ValueError("nobody foresaw it")
    raise ToolError(Code(code), "It is gone.", remedy="Look elsewhere.", candidates=["here", "there"])


STOPPED = threading.Event()


def shop_wait(call: Call) -> Failing:
    """Wait for the end."""
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        try:
            call.progress(1, 2, "waiting")
        except ToolError:
            STOPPED.set()
            raise
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tools of this file beside those that there are."""
    registry.tools()
    monkeypatch.setattr(registry, "_TOOLS", dict(registry._TOOLS))
    registry.tools.cache_clear()
    for function, effect in ((shop_order, Effect.WRITE), (shop_fail, Effect.READ), (shop_wait, Effect.READ)):
        tool(f"Shop: {function.__name__}", effect, catalog=False)(function)
    yield
    monkeypatch.undo()
    registry.tools.cache_clear()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Type a command; gives the exit code, what is on stdout, and what is on stderr."""

    def typed(*words: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["deriva-ml-kit", "tool", *words])
        with pytest.raises(SystemExit) as ended:
            program.main()
        return ended.value.code, *capfd.readouterr()

    return typed


def given_by(typed: Any, *words: str) -> dict[str, Any]:
    code, out, err = typed(*words, "--json")
    assert (code, out.count("\n")) == (0, 1), err
    found: dict[str, Any] = json.loads(out)["given"]
    return found


def test_options_become_arguments(typed: Any, tmp_path: Path):
    file = tmp_path / "options.json"
    file.write_text('{"milk": 2}')
    words = ["--kind", "tea", "--names", "a, b", "--names", "c", "--options", f"@{file}", "--count", "5", "--no-hot"]
    words += ["--parts", '{"name": "x"}', "--parts", '{"name": "y", "size": 2}', "--dry-run"]

    assert given_by(typed, "shop_order", *words) == {
        "kind": "tea",
        "names": ["a", "b", "c"],
        "parts": [{"name": "x", "size": 1}, {"name": "y", "size": 2}],
        "options": {"milk": 2},
        "count": 5,
        "hot": False,
        "dry_run": True,
    }


def test_the_first_argument_needs_no_name_and_others_have_several(typed: Any):
    given = given_by(
        typed, "shop_order", "coffee", "--name-list", '["a, b", "c"]', "--options", '{"milk": {"deep": 1}}'
    )

    assert (given["kind"], given["names"], given["options"]) == ("coffee", ["a, b", "c"], {"milk": {"deep": 1}})


@pytest.mark.parametrize(
    "call",
    [
        'shop_order(kind="tea", names=["a"], count=4)',
        'shop_order("tea", ["a"], count=4)',
        ' shop_order(\n  "tea",\n  names=["a",],\n  count=4,\n) ',
        "shop_order(kind='tea', names='[\"a\"]', count='4')",
    ],
)
def test_a_call_is_taken_as_it_stands_in_a_document(typed: Any, call: str):
    given = given_by(typed, call)

    assert (given["kind"], given["names"], given["count"]) == ("tea", ["a"], 4)


@pytest.mark.parametrize(
    "call",
    [
        "shop_order(__import__('os').getcwd())",
        "shop_order(kind=tea)",
        "shop_order(kind=...)",
        "shop_order(**{'kind': 'tea'})",
        "shop_order('tea', kind='tea')",
        "shop_order(kind='tea', kind='tea')",
        "shop_order('tea', None, None, None, 1, True, False, 2)",
        "shop_order(kind='tea'); print(1)",
        "os.system('ls')",
        "lambda: (1)",
        "shop_order(" + "(" * 5_000,
        "shop_order(" + "-" * 50_000 + "1)",
        "shop_order('\0')",
        "(1)",
        "shop_order(kind=f'{1}')",
    ],
)
def test_what_is_no_call_of_literals_is_refused_and_not_evaluated(typed: Any, call: str):
    code, out, _ = typed(call, "--json")

    assert (code, json.loads(out)["error"]["code"]) == (2, "bad_argument")


def test_an_answer_is_readable(typed: Any):
    code, out, _ = typed("shop_order", "tea")

    assert code == 0
    assert "rows\n  RID   Name\n  1-AB  first\n  1-AC  second\n" in out
    assert out.endswith("next step  Drink it.\n")
    assert "shortened" not in out


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.INTERNAL])
def test_the_exit_code_tells_what_kind_of_error_it_is(typed: Any, code: Code):
    expected = 1 if code in (Code.FAILED, Code.TIMEOUT) else 2

    assert typed("shop_fail", code)[0] == expected


def test_an_error_is_said_with_what_may_have_been_meant(typed: Any):
    _, out, err = typed("shop_fail", "not_found")

    assert (out, err) == ("", "error: It is gone.\nKnown: here, there\nLook elsewhere.\n")


def test_an_error_is_one_json_line_whatever_libraries_print(typed: Any):
    code, out, _ = typed("shop_fail", "print", "--json")

    assert (code, out.count("\n")) == (1, 1)
    assert json.loads(out)["error"]["message"] == "ValueError: nobody foresaw it"


def test_all_that_is_wrong_with_the_arguments_is_said_at_once(typed: Any):
    code, out, _ = typed("shop_order", "--count", "many", "--options", "{broken", "--json")

    assert code == 2
    assert all(name in json.loads(out)["error"]["message"] for name in ("kind", "count", "options"))


def test_unknown_options_and_tools_are_told_what_may_have_been_meant(typed: Any):
    code, out, _ = typed("shop_order", "--cuont", "3", "--json")
    assert (code, "'--count'" in json.loads(out)["error"]["message"]) == (2, True)

    code, out, _ = typed("shop_ordr", "--count", "3", "--json")
    assert (code, json.loads(out)["error"]["candidates"]) == (2, ["shop_order"])

    code, _, err = typed("shop_order", "tea", "--options", "@nowhere.json")
    assert (code, "nowhere.json cannot be read" in err) == (2, True)


def test_an_interrupt_ends_the_tool_between_two_steps(typed: Any):
    STOPPED.clear()
    code, _, err = typed("shop_wait")

    assert (code, STOPPED.is_set()) == (130, True)
    assert "Traceback" not in err


def test_help_tells_the_arguments(typed: Any):
    code, out, _ = typed("shop_order", "--help")

    assert code == 0
    assert all(text in out for text in ("Order something to drink.", "(required)"))
    assert re.search("--names( ITEM)?, --name-list ITEM", out)  # Python 3.13 says it once
    assert "100 % of it" in out


def test_tools_are_listed(typed: Any):
    for words in ([], ["--list"]):
        assert "deriva_ml_get_feature" in typed(*words)[1]
    listed = json.loads(typed("--json")[1])["tools"]

    assert {"name", "title", "effect", "description", "input_schema", "output_schema"} == listed[0].keys()
    assert [each["name"] for each in listed] == list(registry.tools())


def test_every_tool_has_a_command_line(typed: Any):
    for name in registry.tools():
        assert typed(name, "--help")[0] == 0


def test_help_waits_for_no_library():
    """Neither deriva nor pandas is imported, and without the SDK of MCP the tools work all the same."""
    code = (
        "import sys; sys.modules['mcp'] = sys.modules['mcp_types'] = None; sys.argv = ['deriva-ml-kit', 'tool', "
        "'deriva_ml_get_feature', '--help']\n"
        "from deriva_ml_kit.cli.main import main\n"
        "try: main()\n"
        "finally: assert not {'deriva', 'deriva_ml', 'pandas', 'requests'} & sys.modules.keys()"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "--feature-name" in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1.5  # 0.45 s, with nothing else to do


@pytest.mark.catalog
def test_a_call_reaches_the_catalog_and_the_answer_is_one_line(local_host: Any, ml_catalog_id: str, tmp_path: Path):
    call = f'list_vocabulary_terms(hostname="{local_host.hostname}", catalog_id="{ml_catalog_id}", '
    command = [sys.executable, "-m", "deriva_ml_kit.cli.main", "tool", call + 'table="Workflow_Type")', "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=local_host.env, cwd=tmp_path)

    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    assert json.loads(done.stdout)["table"] == "Workflow_Type"
