"""Command lines as documents print them: each goes to the argument parser of the program that it names.

In: the text of a fenced bash block or of an inline code span. Out: the simple commands in it, and for each the
complaints of the program that would run it. No command is run; a program without a parser here is a complaint unless it
is on the short list of everyday tools.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from plugin_checks.documents import ROOT, SKILLS, printed

PROJECT = ROOT / "src/deriva_ml_kit/project/template"

# Tools whose arguments nobody checks here, and the subcommands of git and uv whose options are looked up in their help.
EVERYDAY = {"cp", "mkdir", "cd", "gh", "eval", "pip", "pytest", "claude"}
SUBCOMMANDS = {
    "git": {
        "init",
        "add",
        "commit",
        "checkout",
        "switch",
        "status",
        "push",
        "tag",
        "log",
        "remote",
        "rev-parse",
        "show",
    },
    "uv": {"add", "build", "sync", "init", "lock"},
}

# What stands in documents for a value that only the reader knows. A placeholder that is not here is a mistake.
PLACEHOLDERS = {
    "<host>": "data.example.org",
    "<catalog>": "1",
    "<dev_rid>": "2-ABCD",
    "<dev_version>": "0.2.0",
    "<dataset_rid>": "2-ABCD",
    "<training_rid>": "2-ABCE",
    "<testing_rid>": "2-ABCF",
    "<version>": "0.2.0",
    "<asset_rid>": "3-WXYZ",
    "<model_rid>": "3-MDEL",
    "<criteria_rid>": "3-CRIT",
    "<report_rid>": "3-REPT",
    "<execution_rid>": "4-EXEC",
    "<previous_rid>": "4-EXEB",
    "<workflow_rid>": "5-WXRK",
    "<schema>": "lab",
    "<port>": "8443",
    "<slug>": "digit-classifier",
    "<patch|minor|major>": "patch",
}
_PLACEHOLDER = re.compile(r"<[^<>\s]+>")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")
_OPERATORS = {"&&", "||", "|", ";"}


class Captured(BaseException):
    """Carries a program's parser out of its main function."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def simple_commands(text: str) -> list[list[str]]:
    """The commands in shell text as words: comments and `> FILE` gone, lines joined, `&&` and `$(…)` taken apart."""
    found: list[list[str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        for inner in _SUBSTITUTION.findall(line):
            found += simple_commands(inner)
        words: list[str] = []
        lexer = shlex.shlex(_SUBSTITUTION.sub("substituted", line), posix=True, punctuation_chars="&|;")
        lexer.wordchars += "<>@${}:+[](),%^!"
        for token in [*lexer, ";"]:
            if token not in _OPERATORS:
                words.append(token)
                continue
            while words and _ASSIGNMENT.fullmatch(words[0]):
                words.pop(0)
            if ">" in words:
                words = words[: words.index(">")]
            if words:
                found.append(words)
            words = []
    return found


def fill_in(text: str) -> str:
    """The text with every known placeholder replaced by a value of its kind."""
    return _PLACEHOLDER.sub(lambda match: PLACEHOLDERS.get(match[0], match[0]), text)


def complaints(text: str, folder: Path) -> list[str]:
    """What is wrong with the commands in `text`, printed by a document of the skill in `folder`."""
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - PLACEHOLDERS.keys())
    found = [f"unknown placeholder {name}" for name in unknown]
    for words in simple_commands(fill_in(text)):
        found += [f"{shlex.join(words)}: {complaint}" for complaint in _complaints_of(words, folder)]
    return found


def _complaints_of(words: list[str], folder: Path) -> Iterator[str]:
    program, *rest = words
    if program == "cp":
        yield from _copy_complaints(rest, folder)
    elif program in SUBCOMMANDS and rest and rest[0] in SUBCOMMANDS[program]:
        known = _help_of(program, rest[0])
        yield from (f"{program} {rest[0]} has no option {flag}" for flag in _flags(rest[1:]) if flag not in known)
    elif words[:2] == ["uv", "run"] and rest[1:]:
        yield from _run_complaints(rest[3:] if rest[1] == "--project" else rest[1:])
    elif program not in EVERYDAY:
        yield "no such program is known here"


def _run_complaints(words: list[str]) -> Iterator[str]:
    program, *arguments = words
    if program in EVERYDAY:
        return
    parser = None
    if program == "python" and arguments:
        program, *arguments = arguments
        parser = parser_of_script(program)
    elif program != "python":
        parser = parser_of_program(program)
    if parser is None:
        yield f"nothing is known of {program}"
    elif said := _refusal(parser, arguments):
        yield said


def _refusal(parser: argparse.ArgumentParser, arguments: list[str]) -> str:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(arguments)
    except SystemExit as stop:
        return said.getvalue().strip().splitlines()[-1] if stop.code else ""
    return ""


def _copy_complaints(words: list[str], folder: Path) -> Iterator[str]:
    source, target = words[-2], words[-1]
    if resolved(source, folder) is None and not (PROJECT / target).exists():
        yield f"{source} does not exist"
    if target.startswith("/"):
        yield "copies to an absolute path"


def resolved(text: str, folder: Path) -> Path | None:
    """The file that a path with the plugin's variables names, or None."""
    path = Path(text.replace("${CLAUDE_SKILL_DIR}", str(folder)).replace("${CLAUDE_PLUGIN_ROOT}", str(ROOT)))
    return path if path.is_absolute() and path.exists() else None


@cache
def copies() -> dict[str, Path]:
    """Path in the user's project -> the template it was copied from, as the documents' `cp` lines say."""
    found: dict[str, Path] = {}
    for document in printed():
        folder = SKILLS / document.path.relative_to(SKILLS).parts[0] if SKILLS in document.path.parents else ROOT
        for fence in document.fences:
            for words in simple_commands(fence.text) if fence.language == "bash" else []:
                source = resolved(words[1], folder) if words[0] == "cp" and len(words) == 3 else None
                if source is not None and source.suffix == ".py":
                    found[words[2]] = source
    return found


@cache
def parser_of_script(path: str) -> argparse.ArgumentParser | None:
    """The parser of a script in the user's project: a copied template, or one of a new project's own."""
    source = copies().get(path) or (PROJECT / path if (PROJECT / path).exists() else None)
    if source is None:
        return None
    spec = importlib.util.spec_from_file_location(f"documented_{source.stem}", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    (parser,) = (value for value in vars(module).values() if isinstance(value, argparse.ArgumentParser))
    return parser


@cache
def parser_of_program(name: str) -> argparse.ArgumentParser | None:
    """The parser of an installed command, taken from its main function just before it would read the command line."""
    points = entry_points(group="console_scripts", name=name)
    if not points:
        return None
    main = next(iter(points)).load()

    def capture(self: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        raise Captured(self)

    with (
        patch.object(argparse.ArgumentParser, "parse_args", capture),
        patch.object(argparse.ArgumentParser, "parse_known_args", capture),
        patch.object(sys, "argv", [name]) as typed,
    ):
        try:
            main()
        except Captured as captured:
            return _subcommand(captured.parser, typed[1:])
    return None


def _subcommand(parser: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    """The parser of a subcommand that a program has put into its own command line."""
    for word in words:
        (action,) = (found for found in parser._actions if isinstance(found, argparse._SubParsersAction))
        parser = action.choices[word]
    return parser


@cache
def _help_of(program: str, subcommand: str) -> str:
    command = [program, "help", subcommand] if program == "uv" else [program, subcommand, "-h"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def _flags(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("-") and word != "--"]
