"""What the documents print is true: commands parse, calls bind, names exist, paths and links resolve."""

import argparse
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from plugin_checks import calls, commands, snippets
from plugin_checks.documents import ROOT, SKILLS, Document, Span, fences, printed

from deriva_ml_kit.cli.tool import parser_of
from deriva_ml_kit.tools.registry import tools

LANGUAGES = {"bash", "python", "json", "toml", "csv", "markdown", "text"}
PROGRAMS = re.compile(r"(uv|git|cp|mkdir|eval|gh|pip) \S")

# What the documents would get from their writers' machines or plans.
FORBIDDEN = re.compile(r"/(root|home|tmp)/")

every_document = pytest.mark.parametrize("document", printed(), ids=lambda document: document.name)


def spans(found: Iterable[Span]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("span", list(found), ids=lambda span: span.where)


def inline(pattern: re.Pattern[str]) -> list[Span]:
    return [span for document in printed() for span in document.inline_code if pattern.match(span.text)]


def skill_folder(path: Path) -> Path:
    return SKILLS / path.relative_to(SKILLS).parts[0] if SKILLS in path.parents else ROOT


@every_document
def test_every_block_names_its_language(document: Document):
    assert {span.where: span.language for span in document.fences if span.language not in LANGUAGES} == {}


@spans(fences("bash"))
def test_a_printed_command_is_accepted_by_the_program_it_names(span: Span, counted: Counter[str]):
    counted["shell blocks"] += 1
    counted["commands"] += len(commands.simple_commands(span.text))

    assert commands.complaints(span.text, skill_folder(span.path)) == []


@spans(inline(PROGRAMS))
def test_a_command_in_running_text_is_accepted_too(span: Span, counted: Counter[str]):
    counted["commands in text"] += 1

    assert commands.complaints(span.text, skill_folder(span.path)) == []


@spans(fences("python"))
def test_printed_python_imports_what_exists_and_calls_it_as_it_wants_to_be_called(span: Span, counted: Counter[str]):
    counted["python blocks"] += 1
    counted["calls"] += snippets.calls(span.text)

    assert snippets.complaints(span.text) == []


@every_document
def test_tools_that_are_named_are_there(document: Document):
    assert calls.unknown(document.text) == []


@every_document
def test_printed_calls_of_tools_bind_to_their_arguments(document: Document, counted: Counter[str]):
    spans = [*document.inline_code, *document.fences]
    counted["tool calls"] += sum(len(calls.calls(span.text)) for span in spans)

    assert [f"{span.where}: {said}" for span in spans for said in calls.complaints(span.text)] == []


@every_document
def test_methods_named_in_running_text_exist(document: Document, counted: Counter[str]):
    named = [name for span in document.inline_code for name in snippets.names_in(span.text)]
    counted["names"] += len(named)

    assert [complaint for variable, name in named for complaint in snippets.missing(variable, name)] == []


@every_document
def test_options_named_in_running_text_belong_to_a_printed_program(document: Document):
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(parser.format_help() for parser in all_parsers())))
    named = {span.text.split()[0].partition("=")[0] for span in document.inline_code if span.text.startswith("--")}

    assert named - known == set()


@spans([*fences("json"), *fences("toml")])
def test_printed_data_is_well_formed(span: Span):
    parse = json.loads if span.language == "json" else tomllib.loads

    assert parse(commands.fill_in(span.text))


@every_document
def test_links_lead_to_files_that_are_there(document: Document, counted: Counter[str]):
    counted["links"] += len(document.links)
    targets = [link for link in document.links if not re.match(r"https?:|mailto:|#", link.text)]

    assert [
        link.where for link in targets if not (document.path.parent / link.text.partition("#")[0]).resolve().exists()
    ] == []


@every_document
def test_slash_names_are_skills_of_this_plugin_or_marked_as_anothers(document: Document, counted: Counter[str]):
    own = re.findall(r"/deriva-ml:([\w-]+)", document.text)
    counted["slash names"] += len(own)
    unmarked = [
        line
        for paragraph in re.split(r"\n\s*\n", document.text)
        for line in paragraph.splitlines()
        if re.search(r"/deriva:[\w-]+", line) and "another plugin" not in paragraph
    ]

    assert [name for name in own if not (SKILLS / name / "SKILL.md").exists()] == []
    assert unmarked == []


@every_document
def test_nothing_is_printed_that_is_not_there_or_nobodys_business(document: Document):
    assert FORBIDDEN.findall(document.text) == []


def test_every_template_is_copied_by_its_skill():
    templates = set(SKILLS.glob("*/scripts/*.py"))

    assert templates - set(commands.copies().values()) == set()


def all_parsers() -> list[argparse.ArgumentParser]:
    """The parser of every program of ours that documents print, with those of its subcommands."""
    scripts = [
        *commands.copies(),
        *(str(path.relative_to(commands.PROJECT)) for path in commands.PROJECT.rglob("src/scripts/*.py")),
    ]
    found = [commands.parser_of_script(path) for path in scripts]
    found += [
        commands.parser_of_program(name)
        for name in (
            "deriva-local",
            "deriva-ml-kit",
            "deriva-ml-ops",
            "deriva-ml-run",
            "deriva-ml-run-notebook",
            "cycle-zero",
        )
    ]
    found += [parser_of(tool) for tool in tools().values()]
    return [part for parser in found if parser is not None for part in with_subcommands(parser)]


def with_subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from with_subcommands(part)
