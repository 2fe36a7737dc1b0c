"""What Hydra would do without a word: a launcher chosen too late, a plug-in that is not there.

Hydra chooses launcher and sweeper from the command line and the base configuration, before it reads the
configurations that are swept; what those say of the launcher has no effect
(https://github.com/facebookresearch/hydra/issues/2946).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from omegaconf import DictConfig

BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
# Launchers that people ask for -> what to install.
PLUGINS = {
    "joblib": "uv add 'deriva-ml-kit[sweep]'",
    "submitit_slurm": "uv add hydra-submitit-launcher",
    "submitit_local": "uv add hydra-submitit-launcher",
    "ray": "uv add hydra-ray-launcher",
    "ray_aws": "uv add hydra-ray-launcher",
}
DOCUMENT = "references/launchers.md"


def require_effective(master: DictConfig, job: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse a job whose configuration chooses a launcher or sweeper other than the one that Hydra has chosen.

    Raises:
        UsageError: It does; names both, and what to type instead.
    """
    chosen, wanted = master.hydra.runtime.choices, job.hydra.runtime.choices
    for group in ("hydra/launcher", "hydra/sweeper"):
        if chosen.get(group) != wanted.get(group):
            raise UsageError(
                f"{' '.join(overrides) or 'A job'} asks for {group}={wanted.get(group)}, but Hydra has chosen "
                f"{chosen.get(group)} before it reads what is swept: the configuration would have no effect.",
                remedy=f"Take it out of the experiment, and write {group}={wanted.get(group)} on the command line or "
                "among the overrides of the multirun.",
            )
        node = group.rpartition("/")[2]
        if master.hydra[node] != job.hydra[node]:
            raise UsageError(
                f"{' '.join(overrides) or 'A job'} changes hydra.{node}, which Hydra has read before: "
                "it would have no effect.",
                remedy=f"Write the hydra.{node} settings on the command line or among the overrides of the multirun.",
            )


def require_basic_sweeper(master: DictConfig) -> None:
    """Refuse a sweeper that decides while it runs which jobs there are: such a sweep could not be resumed.

    Raises:
        UsageError: It is not Hydra's own.
    """
    target = master.hydra.sweeper.get("_target_")
    if target != BASIC_SWEEPER:
        raise UsageError(
            f"hydra/sweeper={master.hydra.runtime.choices.get('hydra/sweeper')} chooses its jobs while it runs; "
            "deriva-ml-run plays sweeps whose jobs are known beforehand.",
            remedy="List the values (key=a,b,c or key=range(1,5)) and leave hydra/sweeper alone.",
        )


def explained(error: Exception) -> UsageError:
    """Hydra's error as one of ours; where a launcher is not installed, with the command that installs it."""
    text = " ".join(str(error).split())
    found = re.search(r"hydra/launcher/(\w+)", text)
    if found and found[1] in PLUGINS:
        return UsageError(
            f"The launcher {found[1]} is not installed.",
            remedy=f"{PLUGINS[found[1]]}  (what each launcher needs: {DOCUMENT})",
        )
    return UsageError(text, remedy="deriva-ml-run --list-configs lists the groups; --cfg job shows what is composed.")
