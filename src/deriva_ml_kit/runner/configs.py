"""What a project's config files are made of: connection, datasets, assets, workflow, and the run itself.

In: values, the pins in `datasets.toml`, the catalog in `catalog.json`. Out: nodes for hydra-zen's store. Nothing here
needs the catalog, and nothing imports the library, which takes seconds: classes are named, and imported when a run
starts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, make_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra_zen import builds, store
from omegaconf import MISSING

from deriva_ml_kit.datasets.pins import read_pins
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.runner.job import run_model

# What a run is made of when nothing else is said.
BASE_DEFAULTS: tuple[str | dict[str, str], ...] = (
    "_self_",
    {"deriva_ml": "default_deriva"},
    {"datasets": "default_dataset"},
    {"assets": "default_asset"},
    {"workflow": "default_workflow"},
    {"model_config": "default_model"},
)


@dataclass
class DerivaMLConfig:
    """The connection to a catalog, with main line's fields; can be made anywhere, also outside a run of Hydra.

    There is no `credential` in it, because a configuration is recorded with its execution: `deriva-local login` and
    `deriva-globus-auth-utils login` keep credentials.

    Attributes:
        hostname: Host, with a port where it is not 443.
        catalog_id: Number or alias.
        domain_schemas: Schemas of the domain's own tables; where not given, all that not every catalog has.
        default_schema: In which of them new tables are made; needed where there are several.
        project_name: Name of the project; the domain schema's where not given.
        cache_dir: Where downloaded datasets are kept.
        working_dir: Where executions keep their files; `~/.deriva-ml/<host>/<catalog>` where not given.
        hydra_runtime_output_dir: Hydra's output folder; found by the run.
        ml_schema: Schema of DerivaML's tables.
        logging_level: Level of the `deriva_ml` logger.
        deriva_logging_level: Level of the libraries below it.
        use_minid: Publish downloaded datasets as MINIDs.
        clean_execution_dir: Remove an execution's local files once they are committed.
    """

    hostname: str = MISSING
    catalog_id: Any = MISSING
    domain_schemas: Any = None
    default_schema: str | None = None
    project_name: str | None = None
    cache_dir: str | None = None
    working_dir: str | None = None
    hydra_runtime_output_dir: str | None = None
    ml_schema: str = "deriva-ml"
    logging_level: int = logging.WARNING
    deriva_logging_level: int = logging.WARNING
    use_minid: bool | None = None
    clean_execution_dir: bool = True


@dataclass
class DatasetSpecConfig:
    """A dataset in a version, as an input.

    Attributes:
        rid: RID of the dataset.
        version: Its version.
        materialize: With the files of its assets.
        description: What it is for.
        exclude_tables: Tables that no way through the schema may pass.
        timeout: Seconds to wait for a connection, and for an answer.
        fetch_concurrency: How many files are fetched at a time.
        reachability_concurrency: How many questions are asked at a time.
    """

    rid: str = MISSING
    version: str = MISSING
    materialize: bool = True
    description: str = ""
    exclude_tables: list[str] | None = None
    timeout: list[int] | None = None
    fetch_concurrency: int = 8
    reachability_concurrency: int = 8
    _target_: str = field(default="deriva_ml_kit.mainline.DatasetSpec", init=False)


@dataclass
class AssetSpecConfig:
    """An asset, as an input.

    Attributes:
        rid: RID of the asset.
        cache: Keep the file in the cache folder, for later executions with the same file.
    """

    rid: str = MISSING
    cache: bool = False
    _target_: str = field(default="deriva_ml_kit.mainline.AssetSpec", init=False)


@dataclass
class WorkflowConfig:
    """What kind of work a run does. URL and checksum are those of the model function's own file.

    Attributes:
        name: Name for people.
        workflow_type: Terms of Workflow_Type, one or several.
        description: What it does.
    """

    name: str = MISSING
    workflow_type: Any = MISSING
    description: str = ""
    _target_: str = field(default="deriva_ml_kit.mainline.Workflow", init=False)


@dataclass
class BaseConfig:
    """What the configurations of models and of notebooks have in common.

    Attributes:
        deriva_ml: The connection.
        datasets: Datasets, as a list or by role.
        assets: RIDs of assets.
        dry_run: Write nothing.
        description: What the run is for.
        config_choices: What was chosen of each group; filled in by the run.
        script_config: Code that runs instead of the model.
    """

    deriva_ml: Any = None
    datasets: Any = None
    assets: Any = None
    dry_run: bool = False
    description: str = ""
    config_choices: dict[str, str] = field(default_factory=dict)
    script_config: Any = None


class DescribedList(list[Any]):
    """A list that says what it is.

    Attributes:
        description: What it is.
    """

    def __init__(self, items: Sequence[Any] = (), description: str = "") -> None:
        super().__init__(items)
        self.description = description


@dataclass(frozen=True)
class Pinned:
    """Where the RID and the version of a role come from.

    Attributes:
        file: The pins file.
        pin: The name in it.
        made_by: The command that makes dataset and pin.
    """

    file: Path
    pin: str
    made_by: str | None = None


# (option of the group datasets, role) -> its pin, for the message that it is missing.
pinned: dict[tuple[str, str], Pinned] = {}


def with_description(items: Sequence[Any] | Mapping[str, Any], description: str) -> Any:
    """A list of datasets or assets, or datasets by role, with a description that the menu shows.

    Args:
        items: The list, or role -> dataset.
        description: What it is.
    """
    if isinstance(items, Mapping):
        fields = [(str(role), Any, field(default_factory=partial(copy, each))) for role, each in items.items()]
        return make_dataclass("Roles", fields, namespace={"__doc__": description or " "})()
    return builds(DescribedList, items=list(items), description=description)


def create_model_config(
    ml_class: type | None = None,
    description: str = "Model execution",
    hydra_defaults: list[Any] | None = None,
) -> Any:
    """The configuration of a run, to be stored as `deriva_model` and to be the base of experiments.

    Args:
        ml_class: The project's own subclass of DerivaML.
        description: What runs are for that say nothing else.
        hydra_defaults: Options chosen when nothing else is said; `default_deriva`, `default_dataset`, `default_asset`,
            `default_workflow` and `default_model` where not given.
    """
    return builds(
        run_model,
        description=description,
        ml_class=ml_class,
        populate_full_signature=True,
        hydra_defaults=list(hydra_defaults or BASE_DEFAULTS),
    )


def store_connection(file: Path, name: str = "default_deriva") -> DerivaMLConfig:
    """Register the catalog that `catalog.json` names: `{"hostname": …, "catalog_id": …}`.

    Without the file the connection has no host and no catalog, which `--host` and `--catalog` then give.

    Args:
        file: The JSON file.
        name: Option of the group deriva_ml.

    Raises:
        UsageError: The file is there and says something else.
    """
    made = DerivaMLConfig()
    if file.exists():
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            made = DerivaMLConfig(hostname=document["hostname"], catalog_id=str(document["catalog_id"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{file} names no catalog: {error!r}",
                remedy='Write into it {"hostname": "localhost:8443", "catalog_id": "1"}, with its own values.',
            ) from error
    store(made, group="deriva_ml", name=name)
    return made


def store_datasets(
    name: str, *, pins: Path, roles: Mapping[str, str], description: str = "", made_by: str | None = None
) -> Mapping[str, DatasetSpecConfig]:
    """Register datasets by role, with the RIDs and versions that the pins file has.

    A pin that is missing leaves RID and version open: the menu works, a run says which pin it is, and
    `datasets.ROLE.rid=… datasets.ROLE.version=…` gives them for one run.

    Args:
        name: Option of the group datasets.
        pins: TOML file with `name = "RID@version"`.
        roles: Role -> name of the pin, such as `{"training": "digits_split"}`.
        description: What they are, for the menu.
        made_by: The command that makes what is missing.

    Raises:
        UsageError: The pins file is no TOML, or a pin is no `RID@version`.
    """
    known = read_pins(pins)
    specs = {role: _spec(pins, pin, known.get(pin)) for role, pin in roles.items()}
    pinned.update({(name, role): Pinned(pins, pin, made_by) for role, pin in roles.items()})
    store(with_description(specs, description), group="datasets", name=name)
    return specs


def _spec(file: Path, pin: str, text: str | None) -> DatasetSpecConfig:
    if text is None:
        return DatasetSpecConfig()
    rid, _, version = text.partition("@")
    if not rid or not version:
        raise UsageError(f"{file}: {pin} = {text!r} is no pin.", remedy=f'Write {pin} = "RID@VERSION".')
    return DatasetSpecConfig(rid=rid, version=version)
