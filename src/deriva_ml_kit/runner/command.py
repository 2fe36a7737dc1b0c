"""The program `deriva-ml-run`: plays what a project's config files describe, in tiers, and sweeps of it.

In: the command line of main line's program. Out: the run's summary, readable or as one JSON line.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from deriva_ml_kit import script
from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.nearest import nearest
from deriva_ml_kit.runner import overrides

if TYPE_CHECKING:
    from deriva_ml_kit.runner.compose import Asked, Composed
    from deriva_ml_kit.runner.multiruns import MultirunSpec
    from deriva_ml_kit.runner.played import Played
    from deriva_ml_kit.runner.sweep import Result

PROGRAM = "deriva-ml-run"
DESCRIPTION = """\
Run a model's function as an execution of a DERIVA catalog, from the config files in src/configs.

  tier 1  dry_run=true on the command line: the code runs on two batches, nothing is written
  tier 2  a real run on a small dataset (at most 200 records, or of type Development)
  tier 3  a real run on any other dataset

A tier begins only if the one before it was passed by the same code and configuration; its receipt says so.
"""
EPILOG = """\
examples:
  deriva-ml-run --info                                      what there is to choose from
  deriva-ml-run +experiment=my_experiment --cfg job         the configuration, without running it
  deriva-ml-run +experiment=my_experiment dry_run=true      tier 1
  deriva-ml-run +experiment=my_experiment datasets.training.rid=2-ABCD datasets.training.version=0.1.0 \\
      model_config.epochs=3                                 tier 2, on a small dataset
  deriva-ml-run +experiment=my_experiment                   tier 3
  deriva-ml-run +multirun=lr_sweep                          a sweep that src/configs/multiruns.py names
  deriva-ml-run --multirun model_config.learning_rate=0.01,0.1

What follows the options is Hydra's: GROUP=OPTION chooses, KEY=VALUE changes, +GROUP=OPTION adds. Hydra's own flags
work too: --cfg, --resolve, --package, --info config|defaults|searchpath|…, --shell-completion, --hydra-help.

exit codes: 0 done, 1 the run or one of its checks failed, 2 wrong usage or nothing that could be decided,
            130 interrupted
"""
# Flags of Hydra that tell about Hydra itself, and those that bring configurations which our checks do not see.
TELLS = ("--hydra-help", "--version")
BRINGS = ("-cd", "-cp", "--config-path", "--experimental-rerun", "--shell-completion", "-sc")


class SweepNotPassed(KitError):
    """A sweep has ended, and not all of its jobs passed."""

    def __init__(self, result: Result) -> None:
        super().__init__("Not all jobs of the sweep passed.", remedy="The same command plays what has not ended.")
        self.result = result
        self.exit_code = result.exit_code

    def as_json(self) -> dict[str, object]:
        """As for KitError, with `result`: what a sweep that passed prints."""
        return {**super().as_json(), "result": self.result.as_json()}


def main() -> NoReturn:
    """Run the program; main line's own if that is installed.

    Raises:
        SystemExit: Always; the code says how it went.
    """
    if _main_line_has_it():
        sys.exit(import_module("deriva_ml.run_model").main())
    script.run(run, parser())


def parser() -> argparse.ArgumentParser:
    """The options of the program."""
    common = script.parser(None, workflow_type=False, dry_run=False, catalog=False)
    made = _Parser(
        PROGRAM,
        usage="%(prog)s [options] [+experiment=NAME] [GROUP=OPTION …] [KEY=VALUE …] [dry_run=true]",
        description=DESCRIPTION,
        epilog=EPILOG,
        parents=[common],
        add_help=False,  # it comes with the common options
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    catalog = made.add_argument_group("catalog (src/configs/deriva.py says which, if these do not)")
    catalog.add_argument("--host", "--hostname", metavar="HOST[:PORT]", help="DERIVA host, such as localhost:8443")
    catalog.add_argument("--catalog", "--catalog-id", metavar="ID", help="catalog on that host: a number or an alias")
    configs = made.add_argument_group("configurations")
    configs.add_argument(
        "--config-dir",
        "-c",
        type=Path,
        default=Path("src/configs"),
        metavar="PATH",
        help="folder of config files (src/configs)",
    )
    configs.add_argument(
        "--config-name", "-cn", default="deriva_model", metavar="NAME", help="main configuration (deriva_model)"
    )
    configs.add_argument(
        "--list-configs", "--info", "-i", action="store_true", help="list groups, options and sweeps, and run nothing"
    )
    runs = made.add_argument_group("runs")
    runs.add_argument(
        "--multirun", "-m", action="store_true", help="several values of a key, as in a=1,2, are several jobs: a sweep"
    )
    runs.add_argument(
        "--afresh", action="store_true", help="begin a sweep anew instead of going on with an unfinished one"
    )
    runs.add_argument("--tier", type=int, choices=(1, 2, 3), help="raise the tier that the datasets say")
    runs.add_argument(
        "--override-tier",
        metavar="REASON",
        help="run without the receipts that the tier asks for; the reason is recorded with this execution and with "
        "all that build on it",
    )
    runs.add_argument(
        "--allow-dirty",
        action="store_true",
        help="run although the git repository has uncommitted changes; nobody can check out what really ran: for "
        "debugging only",
    )
    return made


class _Parser(script.Parser):
    """Takes its own options, and keeps Hydra's flags and overrides as they are, in `flags` and `words`."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        taken = overrides.take_flags(sys.argv[1:] if args is None else args)
        if wrong := overrides.wrong_flag(taken.flags):
            self.error(wrong)
        found, words = self.parse_known_args(taken.rest, namespace)
        known = [*self._option_string_actions, *overrides.HYDRA_FLAGS]
        for word in words:
            if word.startswith("-"):
                close = nearest(word.partition("=")[0], known, limit=1)
                self.error(f"unknown option {word}{f'; did you mean {close[0]}?' if close else ''}")
        found.flags, found.words = list(taken.flags), [*words, *_as_overrides(found)]
        found.dry_run = overrides.says_true(found.words, "dry_run")
        return found


def run(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """Do what the command line says.

    Raises:
        UsageError: The config files or the command line are wrong; nothing was run.
        SweepNotPassed: A job of a sweep failed.
        KitError: See `job.run_model`.
    """
    from deriva_ml_kit.runner import compose, job, loading  # noqa: PLC0415  (Hydra takes half a second)

    if {*args.flags} & {*TELLS}:
        _hydra(args, args.flags)
        return None
    loading.load_folder(args.config_dir)
    _fill_store(args.config_dir)
    if args.list_configs:
        return _menu(args)
    words, spec = compose.expand(args.words)
    sweep = args.multirun or spec is not None or "hydra.mode=MULTIRUN" in words
    if {*args.flags} & {*BRINGS}:
        _hydra(args, [*args.flags, *(["--multirun"] if sweep else []), *words])
        return None
    asked = compose.Asked(args.config_dir, args.config_name, tuple(words), sweep)
    composed = compose.composed(asked, complete=not args.flags)
    if args.flags:
        return _look(args, asked, composed)
    os.environ[job.COMMAND] = _typed(sys.argv[1:])
    if sweep:
        return _sweep(args, asked, composed, spec)
    played: Played = _captured(args, job.play, words)
    return played.summary() | {"next": _next(played.tier)}


def _as_overrides(args: argparse.Namespace) -> list[str]:
    """Our options, as the overrides that they stand for."""
    given = {
        "deriva_ml.hostname": args.host,
        "deriva_ml.catalog_id": args.catalog,
        "override_tier": args.override_tier,
    }
    words = [f"{key}={overrides.quoted(text)}" for key, text in given.items() if text is not None]
    return [*words, *([f"tier={args.tier}"] if args.tier else [])]


def _menu(args: argparse.Namespace) -> Mapping[str, Any] | None:
    from deriva_ml_kit.runner import menu  # noqa: PLC0415

    found = menu.menu(args.config_name)
    if args.json:
        return found
    print(menu.as_text(found))
    return None


def _look(args: argparse.Namespace, asked: Asked, composed: Composed) -> Mapping[str, Any] | None:
    """Show a configuration as Hydra does; of a sweep, that of its first job."""
    from omegaconf import OmegaConf  # noqa: PLC0415

    if args.json and args.flags == ["--cfg", "job"]:
        shown: Mapping[str, Any] = OmegaConf.to_container(composed.config)  # type: ignore[assignment]
        return shown
    if asked.sweep:
        print(f"# the first of {composed.jobs} jobs", file=sys.stderr)
    _hydra(args, [*args.flags, *composed.words])
    return None


def _sweep(
    args: argparse.Namespace, asked: Asked, composed: Composed, spec: MultirunSpec | None
) -> Mapping[str, Any] | None:
    from deriva_ml_kit.runner import job, sweep  # noqa: PLC0415

    order = sweep.Order(
        config_name=asked.config_name,
        overrides=asked.overrides,
        task=job.play,
        connect=job.connect,
        code=job.code_of(composed.config),
        name=spec.name if spec else "sweep",
        description=spec.description if spec else str(composed.config.get("description") or ""),
        afresh=args.afresh,
        admit=job.admit,
        command=os.environ[job.COMMAND],
        as_json=args.json,
    )
    result = sweep.play(order)
    if not result.passed or result.interrupted:
        if not args.json:
            print(result.as_text())
        raise SweepNotPassed(result)
    following = {} if result.parent_rid else {"next": _next(1)}
    if args.json:
        return result.as_json() | following
    print("\n".join([result.as_text(), *(f"next: {command}" for command in following.values())]))
    return None


def _captured(args: argparse.Namespace, task: Callable[[Any], Any], words: Sequence[str]) -> Any:
    """Let Hydra call a function with the composed configuration; its result, or its error as it was raised.

    Hydra would print an error before anyone else could.
    """
    ended: list[tuple[Any, Exception | None]] = []

    def kept(config: Any) -> None:
        try:
            ended.append((task(config), None))
        except Exception as error:
            ended.append((None, error))

    _hydra(args, words, kept)
    result, error = ended[0]
    if error is not None:
        raise error
    return result


def _hydra(args: argparse.Namespace, words: Sequence[str], task: Callable[[Any], Any] | None = None) -> None:
    """Give Hydra a command line; what it says against it becomes an error of ours."""
    import hydra  # noqa: PLC0415
    from hydra.errors import HydraException  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    from deriva_ml_kit.runner import job  # noqa: PLC0415

    decorated = hydra.main(config_path=None, config_name=args.config_name, version_base="1.3")(task or job.play)
    with _as_program(words):
        try:
            decorated()
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise UsageError(
                str(error), remedy="`deriva-ml-run --hydra-help` tells about Hydra's own flags."
            ) from error


@contextmanager
def _as_program(words: Sequence[str]) -> Iterator[None]:
    """Hydra reads its command line from the process, and hands errors on only where this variable is set."""
    argv, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = [PROGRAM, *words], "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR")
        if full is not None:
            os.environ["HYDRA_FULL_ERROR"] = full


def _fill_store(folder: Path) -> None:
    """Hand what the config files have registered to Hydra, with its folders below outputs/ and without its logging.

    What a run leaves in outputs/ does not count as an uncommitted change.
    """
    from hydra.conf import HydraConf, JobConf, RunDir, SweepDir  # noqa: PLC0415
    from hydra.core.config_store import ConfigStore  # noqa: PLC0415
    from hydra_zen import store  # noqa: PLC0415

    outputs = _root(folder.resolve()) / "outputs"
    now = "${now:%Y-%m-%d_%H-%M-%S-%f}"
    made = HydraConf(
        run=RunDir(f"{outputs}/runs/{now}"),
        sweep=SweepDir(f"{outputs}/sweeps/{now}", "${hydra.job.num}"),
        output_subdir="hydra",
        job=JobConf(name=PROGRAM),
    )
    made.defaults = [
        {**each, **{key: "none" for key in ("hydra_logging", "job_logging") if key in each}} for each in made.defaults
    ]
    ConfigStore.instance().store(group="hydra", name="config", node=made, provider=PROGRAM)
    store.add_to_hydra_store(overwrite_ok=True)


def _root(folder: Path) -> Path:
    """The repository that a folder is in; else the current folder."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), Path.cwd())


def _typed(argv: Sequence[str]) -> str:
    return shlex.join(["uv", "run", PROGRAM, *argv])


def _next(tier: int) -> str:
    """What to type after a run that passed."""
    argv = overrides.without(sys.argv[1:], "dry_run")
    if tier == 1:
        return _typed(argv)
    if tier == 2:
        whole = [word for word in overrides.without(argv, "tier") if not overrides.is_scale(word)]
        return _typed([*whole, "dry_run=true"])
    return "uv run bootstrap-status"


def _main_line_has_it() -> bool:
    """Whether main line's own program is installed; nothing is imported to find out."""
    found = find_spec("deriva_ml")
    places = list(found.submodule_search_locations or []) if found else []
    return any(Path(place, "run_model.py").is_file() for place in places)


if __name__ == "__main__":
    main()
