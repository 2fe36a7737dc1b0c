"""Which jobs a command line means, what they vary, and the key by which the same sweep is known again.

In: Hydra's overrides, with the lists that are swept. Out: the jobs with their numbers and configurations; nothing runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.runner.sweep import launchers

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from omegaconf import DictConfig

MODEL = "model_config"
# What stands beside the configuration of a run, and makes it another run all the same.
BESIDE = ("datasets", "assets", "tier")
KEY_LENGTH = 12


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        number: Hydra's number of it, from 0.
        overrides: Those overrides that differ between jobs.
        config: Its composed configuration, with Hydra's own node.
    """

    number: int
    overrides: tuple[str, ...]
    config: DictConfig

    def own(self) -> DictConfig:
        """A copy of the configuration without Hydra's own node, as Hydra hands it to a job."""
        from omegaconf import open_dict  # noqa: PLC0415

        copied = self.config.copy()
        with open_dict(copied):
            copied.pop("hydra", None)
        return copied

    def resolved(self) -> dict[str, Any]:
        """The same with its interpolations resolved.

        Raises:
            UsageError: A value is missing, or cannot be worked out.
        """
        from omegaconf import OmegaConf  # noqa: PLC0415
        from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

        try:
            found = OmegaConf.to_container(self.own(), resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise UsageError(
                f"The configuration has a value that is missing or cannot be worked out: {error}",
                remedy="Look at it with --cfg job, and give the value on the command line or in src/configs.",
            ) from error
        assert isinstance(found, dict)
        return {str(key): value for key, value in found.items()}


@contextlib.contextmanager
def hydra_at_work() -> Generator[Hydra, None, None]:
    """Hydra with the configurations that are in its store, for composing and launching."""
    from hydra import initialize  # noqa: PLC0415  (takes half a second)
    from hydra.core.global_hydra import GlobalHydra  # noqa: PLC0415

    with initialize(version_base="1.3", config_path=None, job_name="deriva-ml-run"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        yield hydra


def expand(hydra: Hydra, config_name: str, overrides: Sequence[str]) -> list[Job]:
    """The jobs of a command line, composed, in Hydra's order.

    Raises:
        UsageError: Hydra cannot compose one of them; or its launcher or sweeper would not do what was asked.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # noqa: PLC0415
    from hydra.core.hydra_config import HydraConfig  # noqa: PLC0415
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: PLC0415
    from hydra.errors import HydraException  # noqa: PLC0415
    from hydra.types import RunMode  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    loader = hydra.config_loader
    try:
        master = loader.load_configuration(config_name, list(overrides), run_mode=RunMode.MULTIRUN)
        launchers.require_basic_sweeper(master)
        given = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
        given += [str(line) for line in master.hydra.overrides.task]
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(given)
        swept = {override.get_key_element() for override in parsed if override.is_sweep_override()}
        lines = BasicSweeper.split_arguments(parsed, None)[0]
        configs = [loader.load_sweep_config(master, list(line)) for line in lines]
        HydraConfig.instance().set_config(configs[0])  # interpolations, and the gate, may ask for it
    except (HydraException, OmegaConfBaseException) as error:
        raise launchers.explained(error) from error
    jobs = [
        Job(number, tuple(each for each in line if not swept or each.split("=", 1)[0] in swept), config)
        for number, (line, config) in enumerate(zip(lines, configs, strict=True))
    ]
    for job in jobs:
        launchers.require_effective(master, job.config, job.overrides)
    return jobs


def swept_keys(configs: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The hyperparameters that a sweep varies; another function (`_target_`) is other code, not another value."""
    from deriva_ml_kit.tiers.receipt import difference  # noqa: PLC0415  (imports pydantic)

    varied = {each.key for config in configs[1:] for each in difference(configs[0], config)}
    return frozenset(key for key in varied if key.startswith(f"{MODEL}.") and not key.endswith("._target_"))


def key_of(configs: Iterable[Mapping[str, Any]], *, commit: str, hostname: str, catalog_id: str) -> str:
    """The same for the same jobs in the same order, at the same commit, in the same catalog; for nothing else."""
    from deriva_ml_kit.tiers.receipt import canonical  # noqa: PLC0415  (imports pydantic)

    jobs = [[canonical(config), canonical({"of": [config.get(name) for name in BESIDE]})] for config in configs]
    facts = {"jobs": jobs, "commit": commit, "hostname": hostname, "catalog_id": str(catalog_id)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]
