"""One run of a configuration: connect, say what runs, play it.

In: the configuration of one job, composed. Out: `Played`. What is recorded as the workflow is the file of the model's
own function, not this program: its commit and its hash say which code ran.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.runner.overrides import key_of

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from deriva_ml_kit.mainline import DatasetSpec, DerivaML, Workflow
    from deriva_ml_kit.runner.plan import Plan, Work
    from deriva_ml_kit.runner.played import Played
    from deriva_ml_kit.tiers.receipt import Code

# What a person typed, for remedies; jobs of a sweep find it here, too.
COMMAND = "DERIVA_ML_KIT_COMMAND"
# Overrides that say how a run is played, not what it is.
UNTOLD = ("description", "dry_run", "hydra", "parent_execution", "sequence", "sweep", "swept", "override_tier", "tier")


def run_model(  # noqa: PLR0917  (main line's signature)
    deriva_ml: Any,
    datasets: Any,
    assets: Any,
    description: str,
    workflow: Any,
    model_config: Any,
    dry_run: bool = False,
    ml_class: Any = None,
    script_config: Any = None,
    *,
    tier: Literal[1, 2, 3] | None = None,
    override_tier: str | None = None,
    parent_execution: str | None = None,
    sequence: int | None = None,
    swept: list[str] | None = None,
) -> Any:  # Played; hydra-zen looks annotations up, and this one takes seconds
    """Play a model's function as an execution, in the tier that its data and `dry_run` say.

    Args:
        deriva_ml: The connection: a DerivaMLConfig, or its fields.
        datasets: Datasets as a list, or by role.
        assets: RIDs of assets.
        description: What the run is for.
        workflow: What kind of work it is; its URL and checksum become those of the function's file.
        model_config: Called as `model_config(ml_instance=…, execution=…)`; may return a mapping of metrics.
        dry_run: Tier 1: the function runs on two batches, and nothing is written.
        ml_class: The project's own subclass of DerivaML.
        script_config: Called instead of `model_config`, if given.
        tier: Raises the tier that the data say.
        override_tier: Why the run may begin without the receipts that its tier asks for.
        parent_execution: RID of the execution that this is a part of.
        sequence: Place among its parts.
        swept: Keys of the configuration that a sweep varies.

    Returns:
        The `Played` run.

    Raises:
        UsageError: The function's file is in no repository, or has changes that are not committed; or the inputs are
            wrong. Nothing was written.
        NotPassed: The run has ended, and one of its checks failed or could not be decided.
    """
    from deriva_ml_kit.runner.tiered import run_tiered  # noqa: PLC0415  (imports the library, which takes seconds)

    function = script_config if script_config is not None else model_config
    script = source_of(function)
    config = {"model_config": described(function)}
    about = _About(
        config, {}, description, dry_run, tier, override_tier, parent_execution, sequence, tuple(swept or ())
    )
    ml = connect_to(deriva_ml, ml_class, _hydra_folder())
    plan = _plan(about, script, located(workflow, script, dry_run), datasets, assets)
    return run_tiered(ml, plan, _work(ml, function)).require_pass()


def play(config: DictConfig) -> Played:
    """Play one composed configuration; Hydra calls it, in this process or in a worker."""
    from deriva_ml_kit.runner.tiered import run_tiered  # noqa: PLC0415

    return run_tiered(*_prepared(config)).require_pass()


def admit(config: DictConfig) -> None:
    """Ask whether a composed configuration may be played; nothing is written.

    Raises:
        Faults: Its inputs are wrong.
        NotAdmitted: A receipt of the tier before is missing or does not fit.
    """
    from deriva_ml_kit.runner.tiered import admitted  # noqa: PLC0415

    admitted(*_prepared(config))


def connect(config: DictConfig) -> tuple[DerivaML, Workflow]:
    """The catalog of a configuration, and what runs as a workflow.

    Raises:
        DerivaMLConfigurationError: The catalog cannot be reached.
        UsageError: See `run_model`.
    """
    from hydra_zen import instantiate  # noqa: PLC0415

    script = source_of(function_of(config))
    where = _source(script, allow_dirty=bool(config.dry_run))
    workflow = instantiate(config.workflow, **where)
    return connect_to(config.deriva_ml, instantiate(config.get("ml_class")), _hydra_folder()), workflow


def code_of(config: DictConfig) -> Code:
    """The state of the repository of a configuration's function."""
    from deriva_ml_kit.tiers.state import code_state  # noqa: PLC0415

    return code_state(source_of(function_of(config)))


def function_of(config: DictConfig) -> Callable[..., Any]:
    """What a configuration calls: `script_config` if there is one, else `model_config`."""
    from hydra_zen import instantiate  # noqa: PLC0415

    key = "script_config" if config.get("script_config") is not None else "model_config"
    function = instantiate(config[key])
    if not callable(function):
        raise UsageError(
            f"{key} is no function that is called with ml_instance and execution, but {function!r}.",
            remedy="Register it with builds(your_function, …, zen_partial=True).",
        )
    return function  # type: ignore[no-any-return]


def source_of(function: Any) -> Path:
    """The file that a function, a partial of one, or the class of a callable object is written in.

    Raises:
        UsageError: It has none.
    """
    found = function
    while isinstance(found, functools.partial):
        found = found.func
    found = inspect.unwrap(found)
    if not (inspect.isroutine(found) or inspect.isclass(found)):
        found = type(found)
    try:
        return Path(inspect.getfile(found)).resolve()
    except (TypeError, OSError):
        raise UsageError(
            f"{found!r} is in no file, so a run could not say which code ran.",
            remedy="Let model_config build a function of your own, in a file of your repository.",
        ) from None


def connect_to(deriva_ml: Any, ml_class: type[DerivaML] | None, hydra_folder: Path | None) -> DerivaML:
    """Connect to the catalog that a DerivaMLConfig, or a mapping of its fields, names."""
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415

    given = {name: value for name, value in _fields(deriva_ml).items() if value is not None}
    given["catalog_id"] = str(given["catalog_id"])
    if isinstance(given.get("domain_schemas"), Sequence) and not isinstance(given["domain_schemas"], str):
        given["domain_schemas"] = set(given["domain_schemas"])
    if hydra_folder:
        given.setdefault("hydra_runtime_output_dir", hydra_folder)
    return (ml_class or DerivaML)(**given)


def located(workflow: Workflow, script: Path, dry_run: bool) -> Workflow:
    """A workflow whose URL, checksum and repository are those of a file."""
    made: Workflow = workflow.model_copy(update=_source(script, allow_dirty=dry_run or workflow.allow_dirty))
    return made


def described(function: Any) -> dict[str, Any]:
    """A partial as the configuration that hydra-zen would make of it."""
    found, arguments = function, dict[str, Any]()
    while isinstance(found, functools.partial):
        arguments = {**found.keywords, **arguments}
        found = found.func
    name = getattr(found, "__qualname__", type(found).__qualname__)
    return {"_target_": f"{getattr(found, '__module__', '')}.{name}", **arguments}


def roles_of(datasets: Any) -> tuple[list[DatasetSpec], dict[str, str]]:
    """Datasets, and the role of each RID, from a list or from a mapping by role.

    Raises:
        UsageError: One of them names no dataset and version, or one dataset has two roles.
    """
    from deriva_ml_kit.mainline import DatasetSpec  # noqa: PLC0415

    named = _fields(datasets) if isinstance(datasets, Mapping) or is_dataclass(datasets) else None
    if named is None:
        return [_spec(DatasetSpec, each, f"datasets.{number}") for number, each in enumerate(datasets or [])], {}
    specs = {role: _spec(DatasetSpec, each, f"datasets.{role}") for role, each in named.items()}
    roles: dict[str, str] = {}
    for role, spec in specs.items():
        if spec.rid in roles:
            raise UsageError(
                f"datasets.{roles[spec.rid]} and datasets.{role} are the same dataset, {spec.rid}.",
                remedy="Name another dataset for one of the roles, or leave it out.",
            )
        roles[spec.rid] = role
    return list(specs.values()), roles


@dataclass(frozen=True)
class _About:
    """What is said of a run beside its inputs."""

    config: Mapping[str, Any]
    choices: Mapping[str, str]
    description: str
    dry_run: bool
    tier: int | None
    override: str | None
    parent: str | None
    sequence: int | None
    swept: tuple[str, ...]
    overrides: tuple[str, ...] = ()


def _about(config: DictConfig) -> _About:
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415
    from omegaconf import OmegaConf  # noqa: PLC0415

    hydra = HydraConfig.get()
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return _About(
        config={str(key): value for key, value in resolved.items()},
        choices={key: str(value) for key, value in hydra.runtime.choices.items() if value and "/" not in key},
        description=config.description,
        dry_run=bool(config.dry_run),
        tier=config.get("tier"),
        override=config.get("override_tier"),
        parent=config.get("parent_execution"),
        sequence=config.get("sequence"),
        swept=tuple(config.get("swept") or ()),
        overrides=tuple(hydra.overrides.task),
    )


def _prepared(config: DictConfig) -> tuple[DerivaML, Plan, Work]:
    function = function_of(config)
    ml, workflow = connect(config)
    plan = _plan(_about(config), source_of(function), workflow, _inputs(config.datasets), _inputs(config.assets))
    return ml, plan, _work(ml, function)


def _inputs(node: Any) -> Any:
    """Datasets or assets as plain values, which are looked at one by one; what a person has built is made."""
    from hydra_zen import instantiate  # noqa: PLC0415

    value = _unwrapped(node)
    if isinstance(value, Mapping) and "_target_" in value:
        value = value["items"] if value["_target_"].endswith("DescribedList") else instantiate(node)
    return value


def _plan(about: _About, script: Path, workflow: Workflow, datasets: Any, assets: Any) -> Plan:
    from deriva_ml_kit.mainline import AssetSpec  # noqa: PLC0415
    from deriva_ml_kit.runner.plan import Plan  # noqa: PLC0415

    specs, roles = roles_of(datasets)
    named = [AssetSpec.model_validate(each if isinstance(each, AssetSpec) else _asset(each)) for each in assets or []]
    return Plan(
        name=about.choices.get("experiment") or about.choices.get("model_config") or script.stem,
        script=script,
        config=about.config,
        datasets=specs,
        roles=roles,
        assets=[each.rid for each in named],
        cached=frozenset(each.rid for each in named if each.cache),
        choices=about.choices,
        workflow=workflow,
        description=_told(about),
        dry_run=about.dry_run,
        tier=about.tier,
        override=about.override,
        swept=frozenset(about.swept),
        parent=about.parent,
        sequence=about.sequence,
        command=os.environ.get(COMMAND),
    )


def _work(ml: DerivaML, function: Callable[..., Any]) -> Work:
    return lambda exe, _out, _ev: function(ml_instance=ml, execution=exe)


def _told(about: _About) -> str:
    """The description, with what was changed on the command line: two runs of an experiment can be told apart."""
    changed = [each for each in about.overrides if key_of(each).partition(".")[0] not in UNTOLD]
    job = f"[Job {about.sequence}] " if about.sequence is not None else ""
    return f"{job}{about.description}" + (f" [overrides: {', '.join(changed)}]" if changed else "")


def _source(script: Path, *, allow_dirty: bool) -> dict[str, Any]:
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415
    from deriva_ml_kit.mainline.workflow import git  # noqa: PLC0415

    url, checksum = Workflow.get_url_and_checksum(script, allow_dirty=allow_dirty)
    source = git.describe(script)
    return {"url": url, "checksum": checksum, "git_root": source.root, "dirty_paths": list(source.dirty_paths)}


def _hydra_folder() -> Path | None:
    """Where Hydra has written what this job's configuration is; a sweep as a whole has no such folder."""
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    if not HydraConfig.initialized():
        return None
    hydra = HydraConfig.get()
    try:
        folder = Path(hydra.runtime.output_dir, hydra.output_subdir or "")
    except OmegaConfBaseException:
        return None
    return folder if hydra.output_subdir and folder.is_dir() else None


def _fields(given: Any) -> dict[str, Any]:
    """The fields of a dataclass, of a pydantic model, of a mapping, of Hydra's nodes."""
    if is_dataclass(given) and not isinstance(given, type):
        return {each.name: getattr(given, each.name) for each in fields(given) if each.name != "_target_"}
    if isinstance(given, Mapping):
        return {str(key): _unwrapped(value) for key, value in given.items() if key != "_target_"}
    return dict(given.model_dump()) if hasattr(given, "model_dump") else dict(vars(given))


def _unwrapped(value: Any) -> Any:
    from omegaconf import DictConfig, ListConfig, OmegaConf  # noqa: PLC0415

    return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value


def _spec(kind: type[DatasetSpec], given: Any, place: str) -> DatasetSpec:
    from deriva_ml_kit.mainline.dataset.spec import InvalidSpec  # noqa: PLC0415

    value = _unwrapped(given)
    if isinstance(value, kind):
        return value
    try:
        return kind.from_shorthand(value) if isinstance(value, str) else kind.model_validate(_fields(value))
    except (InvalidSpec, ValueError):
        named = value if isinstance(value, str) else f"{_fields(value).get('rid')}@{_fields(value).get('version')}"
        raise UsageError(
            f"{place}: {named} names no dataset and version.",
            remedy=f"Write {place}.rid=RID {place}.version=VERSION, such as 1-ABCD and 0.2.0.",
        ) from None


def _asset(given: Any) -> Any:
    value = _unwrapped(given)
    return value if isinstance(value, str) else _fields(value)
