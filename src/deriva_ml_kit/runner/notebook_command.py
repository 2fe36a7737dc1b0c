"""The program `deriva-ml-run-notebook`: run a notebook as an execution, and keep what its cells answered with it.

The notebook runs in a process of its own, whose first cell calls `run_notebook()` and so begins the execution. What it
registers is committed when the last cell is done; the executed copy goes with it, as notebook and as Markdown. Where a
cell fails, the execution is Failed, with the number of the cell and the error.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deriva_ml_kit import script
from deriva_ml_kit.environment import environment
from deriva_ml_kit.errors import KitError, Undecidable, UsageError
from deriva_ml_kit.runner import notebook_file, overrides
from deriva_ml_kit.runner.notebook import (
    CHECKSUM,
    NOTEBOOK,
    OVERRIDES,
    RECORDED,
    URL,
    composed_for,
    is_registered,
    render_notebook_config,
)

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

DESCRIPTION = """\
Run a Jupyter notebook from its first to its last cell as an execution of the catalog. The notebook begins it itself:

  ml, execution, config = run_notebook()     (from deriva_ml_kit.runner)

What it registers with execution.asset_file_path(…) is committed at the end, and the executed notebook goes with it, as
.ipynb and as Markdown. If a cell fails, the execution is Failed and says which cell and why.

The notebook must be committed to git without outputs: nbstripout takes them out.
"""
EPILOG = """\
examples:
  uv run deriva-ml-run-notebook notebooks/roc_analysis.ipynb dry_run=true
  uv run deriva-ml-run-notebook notebooks/roc_analysis.ipynb assets=predictions
  uv run deriva-ml-run-notebook notebooks/roc_analysis.ipynb -p threshold 0.5
  uv run deriva-ml-run-notebook notebooks/roc_analysis.ipynb --inspect       which parameters does it have?
  uv run deriva-ml-run-notebook notebooks/roc_analysis.ipynb --cfg job       with which configuration would it run?

Exit codes: 0 done, 1 a cell or the commit failed, 2 wrong usage or nothing that could be decided, 130 interrupted.
"""
KERNEL = "python3"  # the one of this environment
MARKDOWN = ".md"
NOT_FOR_NOTEBOOKS = ("workflow", "model_config", "experiment", "multirun")
OUTPUT_TYPE = "Notebook_Output"
TRACEBACK_LINES = 12


class _Parser(script.Parser):
    """Options and overrides in any order."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        return self.parse_intermixed_args(args, namespace)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = _Parser(
        "deriva-ml-run-notebook",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("notebook_file", type=Path, metavar="NOTEBOOK", help="the .ipynb file")
    made.add_argument(
        "hydra_overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="overrides of the notebook's configuration, such as assets=predictions or dry_run=true",
    )
    catalog = made.add_argument_group("catalog", "instead of the one that the configuration names")
    catalog.add_argument("--host", metavar="HOST[:PORT]")
    catalog.add_argument("--catalog", metavar="ID")
    what = made.add_argument_group("notebook")
    what.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a value for the cell tagged 'parameters'",
    )
    what.add_argument("-f", "--file", type=Path, help="JSON or YAML file with such values")
    what.add_argument("-k", "--kernel", default=KERNEL, help="Jupyter kernel; this environment's where not given")
    what.add_argument("--config-dir", "-c", type=Path, default=Path("src/configs"), help="folder of the config files")
    what.add_argument("--log-output", action="store_true", help="show what the cells print, on stderr")
    what.add_argument(
        "--allow-dirty", action="store_true", help="run with uncommitted changes; the execution names the files"
    )
    shown = made.add_argument_group("show, and run nothing")
    shown.add_argument("--inspect", action="store_true", help="the notebook's parameters and their values")
    shown.add_argument("--list-configs", action="store_true", help="the options of each group of the configuration")
    shown.add_argument("--cfg", nargs="?", const="job", choices=["job", "hydra", "all"], help="the configuration")
    shown.add_argument("--info", nargs="?", const="all", choices=overrides.INFO, help="how Hydra composes it")
    output = made.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the result as one JSON line, errors as JSON too")
    output.add_argument("--verbose", action="store_true", help="show what the libraries log while they work")
    return made


def main() -> NoReturn:
    """Run the program.

    Raises:
        SystemExit: Always; the code says how it went.
    """
    script.run(_main, parser())


def _main(args: argparse.Namespace) -> dict[str, Any]:
    path: Path = args.notebook_file
    notebook_file.read(path)
    if args.inspect:
        return {"notebook": str(path), "parameters": notebook_file.parameters(path)}
    if args.list_configs or args.cfg or args.info:
        return _shown(args)
    _require_kernel(args.kernel)
    given = _parameters(args)
    return _run(args, path.resolve(), given, _overrides(args))


def _shown(args: argparse.Namespace) -> dict[str, Any]:
    """Print the menu, or the configuration as Hydra shows it."""
    from deriva_ml_kit.runner.loading import load_folder  # noqa: PLC0415

    load_folder(args.config_dir)
    name = args.notebook_file.stem
    if args.list_configs:
        return _menu(name, as_json=args.json)
    text = render_notebook_config(name, overrides=_overrides(args), cfg_mode=args.cfg, info_mode=args.info)
    if args.json:
        return {"notebook": str(args.notebook_file), "text": text}
    print(text.rstrip())
    return {}


def _menu(name: str, *, as_json: bool) -> dict[str, Any]:
    """Options of each group, as they are typed."""
    from hydra_zen import store  # noqa: PLC0415

    from deriva_ml_kit.runner.menu import menu  # noqa: PLC0415

    store.add_to_hydra_store(overwrite_ok=True)
    found = {group: options for group, options in menu(name).items() if group not in NOT_FOR_NOTEBOOKS}
    if as_json:
        return found
    for options in found.values():
        for option in options:
            print(f"{'*' if option['default'] else ' '} {option['typed']}  {option['description']}".rstrip())
    return {}


def _dry_run(args: argparse.Namespace, typed: Sequence[str]) -> bool:
    """Whether it is a dry run; faults of the configuration are told before a kernel starts, where it is known by name.

    Raises:
        Faults: The configuration is not as it must be.
    """
    from deriva_ml_kit.runner.loading import load_folder  # noqa: PLC0415

    if args.config_dir.is_dir():
        load_folder(args.config_dir)
    name = args.notebook_file.stem
    if not is_registered(name):  # the notebook may name another one, or none
        return overrides.says_true(typed, "dry_run")
    return bool(composed_for(name, typed, args.config_dir).config.dry_run)


def _require_kernel(kernel: str) -> None:
    if kernel == KERNEL and importlib.util.find_spec("ipykernel") is None:
        raise UsageError(
            "Notebooks need ipykernel, which is not installed.",
            remedy="Add the extra `notebook` to the dependency in pyproject.toml: deriva-ml-kit[notebook]; "
            "then: uv sync",
        )


def _overrides(args: argparse.Namespace) -> list[str]:
    """The overrides as typed, those of --host and --catalog before them.

    Raises:
        UsageError: One is no `key=value`.
    """
    for word in args.hydra_overrides:
        if "=" not in word and not word.startswith("~"):
            raise UsageError(
                f"{word!r} is no override.",
                remedy=f"Write key=value, such as assets={word}; --list-configs lists them.",
            )
    where = {"deriva_ml.hostname": args.host, "deriva_ml.catalog_id": args.catalog}
    return [*(f"{key}={overrides.quoted(value)}" for key, value in where.items() if value), *args.hydra_overrides]


def _parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Values for the notebook's parameters; it is told host and catalog too, if it asks for them.

    Raises:
        UsageError: It has no such parameter, or the file of values cannot be read.
    """
    given = {**_from_file(args.file), **{name: notebook_file.value_of(text) for name, text in args.parameter}}
    notebook_file.require_parameters(args.notebook_file, given)
    where = {name: value for name, value in (("host", args.host), ("catalog", args.catalog)) if value}
    known = notebook_file.parameters(args.notebook_file) if where else {}
    return {name: value for name, value in where.items() if name in known} | given


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    from omegaconf import OmegaConf  # noqa: PLC0415

    try:
        values = OmegaConf.to_container(OmegaConf.load(path))  # JSON is YAML
    except Exception as error:  # YAML's errors are many
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no names with values.", remedy="Write one `name: value` a line.")
    return {str(name): value for name, value in values.items()}


@dataclass(frozen=True)
class _Recorded:
    """The execution that the notebook has begun."""

    hostname: str
    catalog_id: str
    execution_rid: str | None
    working_dir: str | None


def _run(args: argparse.Namespace, path: Path, given: Mapping[str, Any], typed: Sequence[str]) -> dict[str, Any]:
    dry_run = _dry_run(args, typed)
    variables = _variables(path, typed, dry_run=dry_run, allow_dirty=args.allow_dirty)
    folder = Path(tempfile.mkdtemp(prefix="deriva-ml-notebook-"))
    executed, note = folder / path.name, folder / "execution.json"
    try:
        # Papermill's kernel has no environment but that of this process.
        with environment(variables | {RECORDED: str(note)}):
            _execute(args, path, executed, given)
    except BaseException as error:
        raise _failed(error, path, executed, _recorded(note)) from error
    recorded = _recorded(note)
    if recorded is None:
        left = "nobody kept it from writing to a catalog" if dry_run else "nothing was kept"
        raise Undecidable(
            f"{path.name} ran to its end, but it began no execution with run_notebook(), so {left}.",
            remedy=f"Begin with: ml, execution, config = run_notebook(). The executed copy is {executed}",
        )
    if recorded.execution_rid is None:
        return {"dry_run": True, "notebook": str(path), "executed_copy": str(executed), "written": "nothing"}
    if dry_run:
        raise KitError(
            f"A dry run was asked for, but {path.name} has recorded execution {recorded.execution_rid}.",
            remedy="Let its code leave dry_run as it is given.",
        )
    result = _committed(recorded, executed)
    shutil.rmtree(folder)
    return result


def _variables(path: Path, typed: Sequence[str], *, dry_run: bool, allow_dirty: bool) -> dict[str, str]:
    """What the notebook's process is told: which file runs, at which commit, with which overrides.

    Raises:
        DerivaMLDirtyWorkflowError: There are uncommitted changes.
        DerivaMLWorkflowError: The notebook is in no repository.
        UsageError: It was committed with its outputs.
    """
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415  (takes seconds)

    url, checksum = Workflow.get_url_and_checksum(path, allow_dirty=allow_dirty or dry_run)
    if not (allow_dirty or dry_run):
        notebook_file.require_stripped(path)
    return {
        NOTEBOOK: str(path),
        URL: url,
        CHECKSUM: checksum,
        OVERRIDES: json.dumps(list(typed)),
        "DERIVA_ML_ALLOW_DIRTY": str(allow_dirty).lower(),
        "DERIVA_ML_DRY_RUN": str(dry_run).lower(),
    }


def _execute(args: argparse.Namespace, path: Path, executed: Path, given: Mapping[str, Any]) -> None:
    """Run all cells; the executed copy is written after each."""
    import papermill  # type: ignore[import-untyped]  # noqa: PLC0415  (takes a moment)

    if args.log_output:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    papermill.execute_notebook(
        path,
        executed,
        parameters=dict(given),
        kernel_name=args.kernel,
        language="python",
        progress_bar=sys.stderr.isatty() and not args.json,
        log_output=args.log_output,
        extra_arguments=["--log-level=CRITICAL"],  # else a warning about local TCP, and Ctrl-C as a traceback
    )


def _recorded(note: Path) -> _Recorded | None:
    if not note.is_file():
        return None
    facts = json.loads(note.read_text(encoding="utf-8"))
    return _Recorded(facts["hostname"], str(facts["catalog_id"]), facts.get("execution_rid"), facts.get("working_dir"))


def _connect(recorded: _Recorded) -> DerivaML:
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415

    return DerivaML(recorded.hostname, recorded.catalog_id, working_dir=recorded.working_dir)


def _committed(recorded: _Recorded, executed: Path) -> dict[str, Any]:
    """Commit the execution with the executed copy, or add that to one which the notebook has committed itself."""
    from deriva_ml_kit.mainline import ExecutionStatus  # noqa: PLC0415
    from deriva_ml_kit.runner.outputs import attach  # noqa: PLC0415

    rid = str(recorded.execution_rid)
    ml = _connect(recorded)
    markdown = executed.with_suffix(MARKDOWN)
    markdown.write_text(notebook_file.as_markdown(executed), encoding="utf-8")
    files = [executed, markdown]
    status = ml.lookup_execution(rid).status
    if status in (ExecutionStatus.Failed, ExecutionStatus.Aborted):
        raise KitError(
            f"All cells ran, but the notebook left execution {rid} as {status.value}; nothing was committed.",
            remedy=f"The executed copy is {executed}",
        )
    if status is ExecutionStatus.Uploaded:
        for file in files:
            attach(ml, rid, file.name, file.read_text(encoding="utf-8"), OUTPUT_TYPE)
    else:
        execution = ml.resume_execution(rid)
        if execution.status is ExecutionStatus.Running:
            execution.execution_stop()
        for file in files:
            execution.asset_file_path("Execution_Asset", file, OUTPUT_TYPE, copy_file=True)
        execution.commit_output_assets()
    outputs = [asset.filename for asset in ml.lookup_execution(rid).list_assets("Output")]
    return {
        "execution_rid": rid,
        "workflow_rid": ml.lookup_execution(rid).workflow_rid,
        "hostname": recorded.hostname,
        "catalog_id": recorded.catalog_id,
        "outputs": sorted(outputs),
    }


def _failed(error: BaseException, path: Path, executed: Path, recorded: _Recorded | None) -> BaseException:
    """Note why the execution ends, and say it for a person."""
    from deriva_ml_kit.mainline import ExecutionStatus  # noqa: PLC0415

    # Ctrl-C reaches the kernel as well, and it may be first to say so.
    interrupted = isinstance(error, KeyboardInterrupt) or getattr(error, "ename", None) == "KeyboardInterrupt"
    told = "interrupted" if interrupted else _told(error, executed)
    rid = recorded.execution_rid if recorded else None
    if recorded and rid:
        status = ExecutionStatus.Aborted if interrupted else ExecutionStatus.Failed
        _connect(recorded).lookup_execution(rid).update_status(status, told)
    if interrupted:
        return KeyboardInterrupt()
    left = f"Execution {rid} is Failed." if rid else "It had begun no execution; nothing was written."
    shown = _traceback(error)
    copy = f" The executed copy, up to there: {executed}" if executed.is_file() else ""
    return KitError("\n".join([f"{path.name}: {told}", *shown]), remedy=f"{left}{copy}")


def _told(error: BaseException, executed: Path) -> str:
    index = getattr(error, "cell_index", None)
    if index is None:  # the kernel died or never came up
        return f"{type(error).__name__}: {str(error).strip() or 'the process of the notebook ended'}"
    # Papermill adds two cells to the copy that it keeps after a failure, one of them at the top.
    number = notebook_file.cell_number(notebook_file.read(executed), int(index) + 2)
    return f"cell {number}: {getattr(error, 'ename', 'Error')}: {getattr(error, 'evalue', '')}"


def _traceback(error: BaseException) -> list[str]:
    lines = notebook_file.without_colours("\n".join(getattr(error, "traceback", []))).splitlines()
    return [f"  {line}" for line in lines[-TRACEBACK_LINES:]]
