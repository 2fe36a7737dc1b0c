"""`deriva-ml-kit tool`: the tools for agents, on the command line.

A tool's own options are made from its arguments, so there is a parser for each; the registry is imported when one of
them is asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit import script
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.progress import reported

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.tools.failure import Failure
    from deriva_ml_kit.tools.invoke import Outcome
    from deriva_ml_kit.tools.registry import Tool

NAME = "tool"
HELP = "call one of the tools for agents, as deriva-ml-mcp serves them"
DESCRIPTION = """\
Call one of the tools that deriva-ml-mcp serves to agents; same names, arguments and answers. Without a tool, list them.

hostname and catalog_id are those of src/configs/catalog.json where the call names none.
"""
EPILOG = """\
examples:
  uv run deriva-ml-kit tool                               list the tools; --json with their schemas
  uv run deriva-ml-kit tool deriva_ml_get_feature --help  arguments of a tool
  uv run deriva-ml-kit tool deriva_ml_get_feature --hostname data.example.org --catalog-id 1 \\
      --target-table Image --feature-name Diagnosis --json
  uv run deriva-ml-kit tool 'deriva_ml_get_feature(hostname="data.example.org", catalog_id="1",
      target_table="Image", feature_name="Diagnosis")'

exit codes: 0 done, 1 failed, 2 the call or the catalog does not allow it, 130 interrupted
"""
TOOL_EPILOG = """\
A list: repeat the option, separate by commas, or give JSON. An object: JSON, or @file.json.
The same as a call: uv run deriva-ml-kit tool '{call}'
"""
GRACE_SECONDS = 10.0
POSITIONAL = "first argument"
FAILED = ("failed", "timeout", "internal")


class ToolFailed(KitError):
    """A tool answered with an error.

    Args:
        failure: The error.
    """

    def __init__(self, failure: Failure) -> None:
        candidates = f"Known: {', '.join(failure.candidates)}" if failure.candidates else None
        super().__init__(failure.message, remedy="\n".join(filter(None, [candidates, failure.remedy])) or None)
        self.exit_code = 1 if failure.code in FAILED else 2
        self.failure = failure

    def __str__(self) -> str:
        faults = [f"  {', '.join(f'{name} {value}' for name, value in fault.items())}" for fault in self.failure.faults]
        return "\n".join([self.message, *faults, *([self.remedy] if self.remedy else [])])

    def as_json(self) -> dict[str, object]:
        """The error as the tool gave it."""
        return self.failure.as_json()


class _Parser(script.Parser):
    """Hands the words behind a tool's name to a parser of that tool's own."""

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = list(args or [])
        first = next((place for place, word in enumerate(words) if not word.startswith("-")), None)
        if first is None:
            return super().parse_known_args(words, namespace)
        text = words.pop(first)
        if "(" in text:
            made, rest = super().parse_known_args(words, namespace)
            made.written = text
            return made, rest
        return _parsed(self.prog, text, words, namespace)


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    listed = subparsers.add_parser(NAME, help=HELP)
    made = _Parser(
        prog=listed.prog,
        usage="%(prog)s [TOOL [--ARGUMENT VALUE ...] | 'TOOL(ARGUMENT=VALUE, ...)'] [--json] [--verbose]",
        description=DESCRIPTION,
        epilog=EPILOG,
        parents=[script.parser(None, workflow_type=False, dry_run=False, catalog=False)],
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--list", action="store_true", help="list the tools, as without a tool")
    made.set_defaults(main=main, tool=None, written=None, given={})
    subparsers.choices[NAME] = made


def main(args: argparse.Namespace) -> dict[str, Any] | None:
    """List the tools, or call one.

    Raises:
        ToolFailed: The tool answered with an error.
        KeyboardInterrupt: The person did not want to wait; the tool was told to end.
    """
    if args.written is None and args.tool is None:
        return _listed(as_json=args.json)
    from deriva_ml_kit.tools.failure import ToolError, failure_of  # noqa: PLC0415  (--help must be quick)
    from deriva_ml_kit.tools.written import written  # noqa: PLC0415

    try:
        name, given = written(args.written) if args.written else (args.tool, args.given)
    except ToolError as error:
        raise ToolFailed(failure_of(error)) from None
    outcome = _called(name, given)
    if outcome.failure:
        raise ToolFailed(outcome.failure)
    if args.json:
        return outcome.document
    print(readable(outcome.document))
    return None


def readable(document: Mapping[str, Any]) -> str:
    """An answer for people: what it says in lines, what it lists in tables."""
    said = {name: value for name, value in document.items() if value not in (None, "", [], {})}
    tables = {name: value for name, value in said.items() if _is_table(value)}
    last: dict[str, Any] = {name: said.pop(name) for name in ("next_step", "shortened") if name in said}
    parts = [script.summary({name: value for name, value in said.items() if name not in tables})]
    parts += [f"{name.replace('_', ' ')}\n{textwrap.indent(_table(rows), '  ')}" for name, rows in tables.items()]
    parts.append(script.summary(last))
    return "\n".join(filter(None, parts))


def _called(name: str, given: Mapping[str, Any]) -> Outcome:
    """Call a tool in a thread of its own, so that an interrupt ends it between two steps and not within one."""
    from deriva_ml_kit.tools.invoke import call_of, invoke  # noqa: PLC0415

    outcomes: list[Outcome] = []
    with reported() as report:
        call = call_of(name, report=report)
        thread = threading.Thread(target=lambda: outcomes.append(invoke(name, given, call)), daemon=True)
        try:
            thread.start()
            thread.join()
        except KeyboardInterrupt:
            call.stop.set()
            thread.join(GRACE_SECONDS)
            raise
    return outcomes[0]


def _listed(*, as_json: bool) -> dict[str, Any] | None:
    from deriva_ml_kit.tools.registry import tools  # noqa: PLC0415

    if as_json:
        rows = [
            {
                "name": each.name,
                "title": each.title,
                "effect": each.effect,
                "description": each.description,
                "input_schema": each.input_schema,
                "output_schema": each.output_schema,
            }
            for each in tools().values()
        ]
        return {"count": len(rows), "tools": rows}
    print(_table([{"tool": each.name, "effect": each.effect, "what": each.title} for each in tools().values()]))
    return None


def _parsed(
    prog: str, name: str, words: list[str], namespace: argparse.Namespace | None
) -> tuple[argparse.Namespace, list[str]]:
    """The command line of one tool; an unknown one is for `main` to refuse."""
    from deriva_ml_kit.tools.registry import tools  # noqa: PLC0415

    made = namespace or argparse.Namespace()
    vars(made).update(main=main, tool=name, written=None)
    found = tools().get(name)
    if found is None:
        made.json, made.verbose, made.given = "--json" in words, "--verbose" in words, {}
        return made, []
    parser = parser_of(found, prog)
    given, rest = parser.parse_known_args(words)
    if rest:
        flags = [flag for action in parser._actions for flag in action.option_strings]
        parser.error(f"unrecognized arguments: {' '.join(rest)}; {suggestion(rest[0], flags)}")
    values = vars(given)
    made.json, made.verbose = values.pop("json"), values.pop("verbose")
    first = values.pop(POSITIONAL, None)
    made.given = {key: _value(value) for key, value in values.items()}
    if first is not None:
        made.given[_positional(found)] = _value(first)
    return made, []


def parser_of(found: Tool, prog: str = "deriva-ml-kit tool") -> argparse.ArgumentParser:
    """The command line of a tool."""
    from deriva_ml_kit.tools.registry import names_of  # noqa: PLC0415

    schema = found.input_schema
    required = schema.get("required", [])
    first = _positional(found)
    needed = "".join(f"{_flag(name)} {_metavar(schema['properties'][name], 'value')} " for name in required)
    made = script.Parser(
        prog=f"{prog} {found.name}",
        usage=f"%(prog)s {needed}[--ARGUMENT VALUE ...] [--json] [--verbose]",
        description=f"{found.title} ({found.effect}).\n\n{textwrap.fill(found.description, 100)}",
        epilog=TOOL_EPILOG.format(call=_example(found)),
        parents=[script.parser(None, workflow_type=False, dry_run=False, catalog=False)],
        add_help=False,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if first is not None:
        made.add_argument(POSITIONAL, nargs="?", metavar=first, help=argparse.SUPPRESS, default=argparse.SUPPRESS)
    taken = {"json", "verbose", "help", *schema["properties"]}
    group = made.add_argument_group("arguments")
    for key, field in found.arguments.model_fields.items():
        name, *others = names_of(key, field)
        flags = [name, *(other for other in others if other not in taken)]
        taken.update(flags)
        facts = schema["properties"][name]
        help_ = facts.get("description", "") + (" (required)" if name in required else _default(facts))
        help_ += "; may stand first, without its name" if name == first else ""
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": help_.replace("%", "%%")}
        kind = _kind(facts, schema)
        if kind == "boolean":
            options["action"] = argparse.BooleanOptionalAction if facts.get("default") else "store_true"
        else:
            options |= {"metavar": _metavar(facts, kind), "action": "append" if kind == "array" else "store"}
            options |= {"type": _text_or_file} if kind != "value" else {}
        group.add_argument(*map(_flag, flags), **options)
    return made


def _positional(found: Tool) -> str | None:
    """The argument that may stand without its name: the first one that must be given, or else the first one."""
    schema = found.input_schema
    own = (name for name in schema["properties"] if name not in ("hostname", "catalog_id"))
    first = next(iter([*schema.get("required", []), *own]), None)
    return first if first and _kind(schema["properties"][first], schema) == "value" else None


def _kind(facts: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """`array`, `object` or `boolean` as in JSON Schema; everything else is a `value`."""
    if "$ref" in facts:
        facts = schema["$defs"][facts["$ref"].rpartition("/")[2]]
    kinds = [choice.get("type") for choice in facts.get("anyOf", [facts])]
    return next((kind for kind in ("array", "object", "boolean") if kind in kinds), "value")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _default(facts: Mapping[str, Any]) -> str:
    default = facts.get("default")
    return "" if default in (None, "", False, True) else f" ({default})"


def _metavar(facts: Mapping[str, Any], kind: str) -> str:
    if "enum" in facts:
        return f"{{{','.join(map(str, facts['enum']))}}}"
    return {"array": "ITEM", "object": "JSON", "value": "N" if facts.get("type") == "integer" else "VALUE"}[kind]


def _example(found: Tool) -> str:
    where = 'hostname="data.example.org", catalog_id="1", ' if found.catalog else ""
    required = ", ".join(f"{name}=…" for name in found.input_schema.get("required", []))
    return f"{found.name}({(where + required).rstrip(', ')})"


def _value(value: Any) -> Any:
    """What was typed, for the tool to check; a list whose items were separated by commas is taken apart."""
    if not isinstance(value, list) or (len(value) == 1 and value[0].lstrip().startswith("[")):
        return value[0] if isinstance(value, list) else value
    return [part for item in value for part in _items(item)]


def _items(text: str) -> list[Any]:
    try:
        return [json.loads(text)] if text.lstrip().startswith("{") else [part.strip() for part in text.split(",")]
    except ValueError:
        return [text]


def _text_or_file(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error}") from None


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(rows: list[dict[str, Any]]) -> str:
    """Rows below each other; columns in which nothing stands are left out."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)]
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, name in enumerate(names)]
    lines = [names, *cells]
    return "\n".join(
        "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: Any) -> str:
    text = " ".join(script.summary({"": value}).split()) if value not in (None, [], {}) else ""
    return text if len(text) <= 60 or not sys.stdout.isatty() else f"{text[:59]}…"
