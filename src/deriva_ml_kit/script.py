"""What every script template shares: arguments, progress, and how a run ends.

In: a function `main(args)` that does the work and returns what it did as a mapping (or None), and its parser.
Out: the mapping as a readable summary, or as exactly one JSON line on stdout under `--json`; errors as a short message
on stderr; an exit code: 0 done, 1 failed, 2 wrong usage or cannot decide, 130 interrupted, or what a `Verdict` says.

    def main(args):
        ml = DerivaML(args.hostname, args.catalog_id)
        ...
        return {"execution_rid": rid}

    if __name__ == "__main__":
        run(main, parser(__doc__))
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from deriva_ml_kit.environment import environment
from deriva_ml_kit.errors import Faults, KitError
from deriva_ml_kit.imports import REMEDY, plain_imports
from deriva_ml_kit.progress import progress

__all__ = ["Verdict", "command", "parser", "progress", "quiet_libraries", "run", "summary"]

Result = Mapping[str, Any] | None


class Verdict(dict[str, Any]):
    """A result that also decides the exit code: a drift that was found is no error, and yet not 0."""

    def __init__(self, result: Mapping[str, Any], exit_code: int) -> None:
        super().__init__(result)
        self.exit_code = exit_code


# The libraries below us talk while they work; what matters of it comes back as an error or a count.
NOISY = (
    "deriva",
    "deriva_ml",
    "bdbag",
    "bagit",
    "urllib3",
    "requests",
    "mcp",
    "uvicorn",
    "setuptools_scm",
    "vcs_versioning",
    "py.warnings",
)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose usage errors also come as JSON when the caller asked for JSON."""

    def error(self, message: str) -> NoReturn:
        if "--json" in sys.argv[1:]:
            print(json.dumps({"error": {"type": "UsageError", "message": message}}))
        super().error(message)


def parser(
    description: str | None,
    epilog: str | None = None,
    *,
    workflow_type: bool = True,
    dry_run: bool = True,
    catalog: bool = True,
    catalog_required: bool = True,
) -> argparse.ArgumentParser:
    """An argument parser with the options that all scripts have in common.

    Args:
        description: What the script does; a module docstring is shown as written.
        epilog: Examples, shown as written below the options.
        workflow_type: Whether the script makes an execution and so needs `--workflow-type` and `--allow-dirty`.
        dry_run: Whether the script writes and so offers `--dry-run`.
        catalog: Whether the script works on a catalog and so takes `--hostname` and `--catalog-id`.
        catalog_required: Whether `--catalog-id` must be given; a script that can make a catalog says no.

    Returns:
        A parser for `--hostname --catalog-id --json --verbose` and what was asked for; add your own arguments to it.
    """
    made = Parser(description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)
    if catalog:
        _add_catalog(made, catalog_required)
    execution = made.add_argument_group("execution")
    if workflow_type:
        execution.add_argument(
            "--workflow-type",
            required=True,
            metavar="TERM",
            help="term of the catalog's Workflow_Type vocabulary that says what kind of work this is, such as Training",
        )
    if dry_run:
        execution.add_argument(
            "--dry-run",
            action="store_true",
            help="do everything but write: no execution, no rows, no uploads; outputs go to a temporary folder",
        )
    if workflow_type:
        execution.add_argument(
            "--allow-dirty",
            action="store_true",
            help="run although the git repository has uncommitted changes; the execution records which files, "
            "but nobody can check out what really ran: for debugging only",
        )
    output = made.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the result as one JSON line, errors as JSON too")
    output.add_argument("--verbose", action="store_true", help="show what the libraries log while they work")
    return made


def _add_catalog(made: argparse.ArgumentParser, required: bool) -> None:
    group = made.add_argument_group("catalog")
    group.add_argument(
        "--hostname",
        required=True,
        type=_hostname,
        metavar="HOST[:PORT]",
        help="DERIVA host, such as data.example.org; for the catalog on this machine the localhost:PORT "
        "that `deriva-local status` prints",
    )
    group.add_argument(
        "--catalog-id",
        required=required,
        metavar="ID",
        help="catalog on that host: a number such as 1, or an alias",
    )


def run(main: Callable[[argparse.Namespace], Result], arguments: argparse.ArgumentParser) -> NoReturn:
    """Parse the command line, do the work, print the result, exit.

    `--dry-run` and `--allow-dirty` reach the library by its environment variables DERIVA_ML_DRY_RUN and
    DERIVA_ML_ALLOW_DIRTY, which a Workflow reads when it is made.

    Raises:
        SystemExit: Always; the code says how it went (see the module).
    """
    args = arguments.parse_args()
    quiet_libraries(verbose=args.verbose)
    answer = sys.stdout
    try:
        # Nothing that a library prints may end up in front of the JSON line.
        with environment(_told(args)), contextlib.redirect_stdout(sys.stderr if args.json else answer):
            _refuse_plain_imports()
            result = main(args)
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to continue.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        sys.exit(_report(error, as_json=args.json, verbose=args.verbose))
    if args.json:
        print(json.dumps(dict(result or {}), default=str, ensure_ascii=False), file=answer)
    elif result:
        print(summary(result), file=answer)
    sys.exit(result.exit_code if isinstance(result, Verdict) else 0)


def command() -> str:
    """What was typed to run this script, for messages that say what to type next."""
    path = Path(sys.argv[0])
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.join(["uv", "run", "python", str(here), *sys.argv[1:]])


def quiet_libraries(*, verbose: bool) -> None:
    """Keep the libraries' log messages off the terminal, or show all from INFO up on stderr when verbose."""
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
        return
    logging.captureWarnings(True)
    for name in NOISY:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())


def summary(result: Mapping[str, Any]) -> str:
    """A mapping as lines `name  value`, aligned; lists one item a line, nested mappings indented."""
    width = max((len(_label(key)) for key in result), default=0)
    lines: list[str] = []
    for key, value in result.items():
        head = f"{_label(key):<{width}}  "
        if isinstance(value, Mapping):
            lines += [_label(key), *(f"  {line}" for line in summary(value).splitlines())]
        elif isinstance(value, list | tuple):
            shown = [_value(item) for item in value] or ["none"]
            lines += [head + shown[0], *(" " * len(head) + item for item in shown[1:])]
        else:
            lines.append(head + _value(value))
    return "\n".join(line.rstrip() for line in lines)


def _told(args: argparse.Namespace) -> dict[str, str]:
    """What the library reads from the environment when a Workflow is made."""
    options = {"DERIVA_ML_DRY_RUN": "dry_run", "DERIVA_ML_ALLOW_DIRTY": "allow_dirty"}
    return {name: "true" for name, option in options.items() if getattr(args, option, False)}


def _refuse_plain_imports() -> None:
    """Stop a script that takes the plain library's classes: on the release, even its dry run would write.

    Raises:
        Faults: It does, and the release is installed.
    """
    source = getattr(sys.modules["__main__"], "__file__", None)
    if source and Path(source).is_file() and (faults := plain_imports(Path(source))):
        from deriva_ml_kit.mainline.generation import has_main_line  # noqa: PLC0415  (takes seconds)

        if not has_main_line():
            raise Faults(faults, message="This script would not be safe to run; nothing was done.", remedy=REMEDY)


def _report(error: Exception, *, as_json: bool, verbose: bool) -> int:
    """Say what went wrong and give the exit code; only an error that nobody foresaw shows a traceback."""
    known = error if isinstance(error, KitError) else _of_library_or_network(error)
    if known is not None:
        print(f"error: {known}", file=sys.stderr)
    if known is None or verbose:
        traceback.print_exception(error)
    if as_json:
        document = (known or KitError(str(error))).as_json() | {"type": type(error).__name__}
        print(json.dumps({"error": document}, default=str, ensure_ascii=False))
    return known.exit_code if known else 1


def _of_library_or_network(error: Exception) -> KitError | None:
    """An error that the library or the server raised on purpose, in its own words; None for any other."""
    if "deriva_ml_kit.mainline" not in sys.modules:  # importing it takes seconds, and it cannot have raised this
        return None
    from deriva_ml_kit.mainline import DerivaMLException  # noqa: PLC0415
    from deriva_ml_kit.mainline.catalog.rows import NETWORK_ERRORS, said  # noqa: PLC0415

    return KitError(said(error)) if isinstance(error, DerivaMLException | NETWORK_ERRORS) else None


def _hostname(text: str) -> str:
    name = text.removeprefix("https://").rstrip("/")
    if not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name; write it as data.example.org or localhost:8443")
    return name


def _label(key: str) -> str:
    return key.replace("_", " ")


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_label(str(key))} {_value(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
