"""Notebooks as executions: what a notebook calls, and what its configuration is registered with.

    # src/configs/roc_analysis.py
    notebook_config("roc_analysis", defaults={"assets": "predictions"})

    # first cell of notebooks/roc_analysis.ipynb
    ml, execution, config = run_notebook()

`deriva-ml-run-notebook` runs such a notebook from the command line and keeps the executed copy with the execution.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.nearest import remedy

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML, Execution, Workflow
    from deriva_ml_kit.runner.compose import Composed
    from deriva_ml_kit.runner.configs import BaseConfig

T = TypeVar("T")

# How `deriva-ml-run-notebook` speaks to the notebook's process; main line's names.
NOTEBOOK = "DERIVA_ML_NOTEBOOK_PATH"
OVERRIDES = "DERIVA_ML_HYDRA_OVERRIDES"
RECORDED = "DERIVA_ML_SAVE_EXECUTION_RID"
URL = "DERIVA_ML_WORKFLOW_URL"
CHECKSUM = "DERIVA_ML_WORKFLOW_CHECKSUM"
# Where Jupyter's server and the papermill program name the notebook that runs.
NAMED_BY_OTHERS = ("PAPERMILL_INPUT_PATH", "JPY_SESSION_NAME")

DEFAULT_TYPE = "Analysis Notebook"
DEFAULTS = {"deriva_ml": "default_deriva", "datasets": "default_dataset", "assets": "default_asset"}

_registered: dict[str, Any] = {}
_guard = ExitStack()  # of a dry run: it ends with the process, or with the next call of run_notebook


def notebook_config(
    name: str,
    config_class: type[BaseConfig] | None = None,
    defaults: Mapping[str, str | None] | None = None,
    **field_defaults: Any,
) -> Any:
    """Register the configuration of a notebook.

    Args:
        name: Name of the configuration: that of the notebook's file, without `.ipynb`.
        config_class: A dataclass derived from BaseConfig, for further fields; BaseConfig where not given.
        defaults: Group to option, such as `{"assets": "predictions"}`; `default_deriva`, `default_dataset` and
            `default_asset` where not given. None takes a group out, for a notebook without datasets.
        **field_defaults: Values of the fields.

    Returns:
        The configuration, as hydra-zen has made it.
    """
    from hydra_zen import builds, store  # noqa: PLC0415  (takes a moment)

    from deriva_ml_kit.runner.configs import BaseConfig  # noqa: PLC0415

    chosen = {**DEFAULTS, **(defaults or {})}
    made = builds(
        config_class or BaseConfig,
        populate_full_signature=True,
        hydra_defaults=["_self_", *({group: option} for group, option in chosen.items() if option is not None)],
        **field_defaults,
    )
    store(made, name=name)
    _registered[name] = made
    return made


def get_notebook_configuration(
    config_class: type[T],
    config_name: str,
    overrides: Sequence[str] | None = None,
    job_name: str = "notebook",
    version_base: str = "1.3",
) -> T:
    """Resolve a configuration and make its objects; overrides of the command line come first, then those given here.

    Args:
        config_class: The configuration, such as `notebook_config` returns it.
        config_name: Its name.
        overrides: `key=value`, as Hydra takes them.
        job_name: Without effect; main line's.
        version_base: Without effect; main line's.

    Raises:
        UsageError: There is no such configuration.
        Faults: There is no such key or option, a value does not fit, or one is missing.
    """
    if config_name not in _registered:
        from hydra_zen import store  # noqa: PLC0415

        store(config_class, name=config_name, overwrite_ok=True)
        _registered[config_name] = config_class
    made: T = _made(composed_for(config_name, _all_overrides(overrides)))
    return made


def render_notebook_config(
    config_name: str,
    *,
    overrides: Sequence[str] | None = None,
    cfg_mode: str | None = None,
    info_mode: str | None = None,
) -> str:
    """A notebook's configuration as Hydra shows it; nothing is run, no catalog is asked.

    Args:
        config_name: Its name.
        overrides: `key=value`, as Hydra takes them.
        cfg_mode: `job`, `hydra` or `all`: what `--cfg` shows.
        info_mode: `all`, `config`, `defaults`, `defaults-tree`, `plugins` or `searchpath`: what `--info` shows.

    Raises:
        UsageError: There is no such configuration.
        Faults: There is no such key or option, or a value does not fit.
        ValueError: Not exactly one of the modes is given.
    """
    if (cfg_mode is None) == (info_mode is None):
        raise ValueError("render_notebook_config needs one of cfg_mode and info_mode")
    composed_for(config_name, overrides or (), complete=False)  # whose faults are clearer than Hydra's
    return _rendered(config_name, list(overrides or ()), cfg_mode, info_mode)


def run_notebook(  # noqa: PLR0917  (main line's signature)
    config_name: str | None = None,
    overrides: Sequence[str] | None = None,
    workflow_name: str | None = None,
    workflow_type: str = DEFAULT_TYPE,
    ml_class: type[DerivaML] | None = None,
    config_package: str = "configs",
) -> tuple[DerivaML, Execution, BaseConfig]:
    """Begin the execution of the notebook that calls this: connect, record it, fetch its inputs.

    At the end `execution.commit_output_assets()` sends what the notebook has registered; under
    `deriva-ml-run-notebook` that happens by itself. In a dry run nothing is recorded, and whatever tries to change the
    catalog in this process fails.

    Args:
        config_name: Name of its configuration; that of the notebook's file where not given.
        overrides: `key=value`, as Hydra takes them; they come after those of the command line.
        workflow_name: Name of the workflow; made of `config_name` where not given.
        workflow_type: Term of Workflow_Type; `Analysis` where a catalog lacks the default.
        ml_class: The project's own subclass of DerivaML.
        config_package: Package of the config files.

    Returns:
        Connection, running execution, configuration.

    Raises:
        UsageError: The notebook's name is not known, or no configuration has it.
        Faults: The configuration is not as it must be, or inputs do not exist; nothing was recorded.
        DerivaMLDirtyWorkflowError: The repository has uncommitted changes.
    """
    from deriva_ml_kit.mainline import ExecutionConfiguration  # noqa: PLC0415
    from deriva_ml_kit.runner import job  # noqa: PLC0415

    _guard.close()
    name = config_name or _notebook_name()
    _load(config_package)
    words = _all_overrides(overrides)
    composed = composed_for(name, words, Path(sys.modules[config_package].__path__[0]))
    config = _made(composed)
    configuration = ExecutionConfiguration(
        datasets=job.roles_of(config.datasets)[0],
        assets=list(config.assets or []),
        description=" ".join([config.description or f"Notebook {name}", *_told(words)]),
        config_choices=config.config_choices,
    )
    with tempfile.TemporaryDirectory(prefix="deriva-ml-notebook-") as folder:
        _write(composed, Path(folder))  # from there it goes among the execution's metadata
        ml = job.connect_to(_connection(config), ml_class, Path(folder))
        workflow = _workflow(ml, workflow_name or name.replace("_", " ").title(), workflow_type, config.description)
        if config.dry_run:
            _begin_dry_run(ml)
        execution = ml.create_execution(configuration, workflow=workflow, dry_run=config.dry_run)
    execution.execution_start()
    return ml, execution, config


def _begin_dry_run(ml: DerivaML) -> None:
    from deriva_ml_kit.runner.unchanged import read_only  # noqa: PLC0415

    _guard.enter_context(read_only(ml.host_name))
    if note := os.environ.get(RECORDED):
        facts = {"hostname": ml.host_name, "catalog_id": ml.catalog_id, "execution_rid": None}
        Path(note).write_text(json.dumps(facts), encoding="utf-8")


def _workflow(ml: DerivaML, name: str, workflow_type: str, description: str) -> Workflow:
    """The notebook as a workflow; outside `deriva-ml-run-notebook` its file is found by what Jupyter says."""
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415
    from deriva_ml_kit.mainline.workflow import git  # noqa: PLC0415

    known = {term.name for term in ml.list_vocabulary_terms("Workflow_Type")}
    if workflow_type == DEFAULT_TYPE and DEFAULT_TYPE not in known:
        workflow_type = "Analysis"
    if URL in os.environ or (path := _notebook_path()) is None or not path.is_file():
        return ml.create_workflow(name, workflow_type, description)
    url, checksum = Workflow.get_url_and_checksum(path)
    return Workflow(
        name=name,
        workflow_type=workflow_type,
        description=description,
        url=url,
        checksum=checksum,
        git_root=git.describe(path).root,
        is_notebook=True,
    )


def _connection(config: Any) -> Any:
    if config.deriva_ml is None:
        raise UsageError(
            "The configuration names no catalog.",
            remedy='Let it choose one: notebook_config(…, defaults={"deriva_ml": "default_deriva"}).',
        )
    return config.deriva_ml


def _told(overrides: Sequence[str]) -> list[str]:
    """What was changed, so that two runs of a notebook can be told apart."""
    from deriva_ml_kit.runner.job import UNTOLD  # noqa: PLC0415
    from deriva_ml_kit.runner.overrides import key_of  # noqa: PLC0415

    changed = [each for each in overrides if key_of(each).partition(".")[0] not in UNTOLD]
    return [f"[overrides: {', '.join(changed)}]"] if changed else []


def _all_overrides(overrides: Sequence[str] | None) -> list[str]:
    return [*json.loads(os.environ.get(OVERRIDES, "[]")), *(overrides or ())]


def _notebook_path() -> Path | None:
    for variable in (NOTEBOOK, *NAMED_BY_OTHERS):
        if (named := os.environ.get(variable)) and named.endswith(".ipynb"):
            return Path(named)
    namespace = getattr(sys.modules.get("__main__"), "__dict__", {})
    named = namespace.get("__vsc_ipynb_file__")  # Visual Studio Code
    return Path(named) if isinstance(named, str) else None


def _notebook_name() -> str:
    if path := _notebook_path():
        return path.stem
    raise UsageError(
        "The name of the notebook that runs is not known here.",
        remedy='Name its configuration: run_notebook("roc_analysis").',
    )


def _load(package: str) -> None:
    """Import the config files, also where Jupyter was started in the notebook's folder."""
    from deriva_ml_kit.runner.loading import load_configs, load_folder  # noqa: PLC0415

    if load_configs(package):
        return
    here = _notebook_path()
    places = [*Path.cwd().parents, *(here.resolve().parents if here else ())]
    for place in [Path.cwd(), *places]:
        if (folder := place / "src" / package.replace(".", "/")).is_dir():
            load_folder(folder)
            return
    raise UsageError(
        f"There is no package {package} of config files.",
        remedy="Run the notebook in the project's folder, whose config files are in src/configs.",
    )


def composed_for(
    name: str, overrides: Sequence[str], folder: Path = Path("src/configs"), *, complete: bool = True
) -> Composed:
    """Compose the configuration of a notebook.

    Args:
        name: Its name.
        overrides: `key=value`, as Hydra takes them.
        folder: The config files, which were imported; for what is said of a fault.
        complete: Whether a value that nobody gave is a fault.

    Raises:
        UsageError: There is no such configuration.
        Faults: Everything that is wrong with it.
    """
    from hydra_zen import store  # noqa: PLC0415

    from deriva_ml_kit.runner.compose import Asked, composed  # noqa: PLC0415

    if name not in _registered:
        raise UsageError(
            f"No notebook's configuration has the name {name!r}.",
            remedy=f'{remedy(name, _registered)} To register it: notebook_config("{name}") in src/configs.',
        )
    store.add_to_hydra_store(overwrite_ok=True)
    return composed(Asked(folder, name, tuple(overrides)), complete=complete)


def is_registered(name: str) -> bool:
    """Whether a notebook's configuration has that name."""
    return name in _registered


def _made(composed: Composed) -> Any:
    from hydra_zen import instantiate  # noqa: PLC0415

    config = instantiate(composed.config)
    config.config_choices = dict(composed.choices)
    return config


def _write(composed: Composed, folder: Path) -> None:
    from omegaconf import OmegaConf  # noqa: PLC0415

    OmegaConf.save(composed.config, folder / "config.yaml")
    OmegaConf.save(OmegaConf.create(list(composed.words)), folder / "overrides.yaml")


def _rendered(name: str, overrides: list[str], cfg_mode: str | None, info_mode: str | None) -> str:
    """What Hydra's own program shows; it prints what `--cfg` asks for and logs what `--info` asks for."""
    import contextlib  # noqa: PLC0415
    import io  # noqa: PLC0415
    import logging  # noqa: PLC0415

    from hydra._internal.hydra import Hydra  # noqa: PLC0415
    from hydra._internal.utils import create_config_search_path  # noqa: PLC0415
    from hydra.core.global_hydra import GlobalHydra  # noqa: PLC0415

    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("notebook", create_config_search_path(None))
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), _heard(logging.getLogger("hydra._internal.hydra"), said):
            if cfg_mode:
                hydra.show_cfg(config_name=name, overrides=overrides, cfg_type=cfg_mode, package=None)
            else:
                hydra.show_info(info=str(info_mode), config_name=name, overrides=overrides)
    finally:
        GlobalHydra.instance().clear()
    return said.getvalue()


@contextmanager
def _heard(logger: Any, said: Any) -> Iterator[None]:
    import logging  # noqa: PLC0415

    handler, level, propagate = logging.StreamHandler(said), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
