"""The groups of a configuration, and the options that config files have registered in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.config_store import ConfigStore

# In the order in which a run is put together.
GROUPS = ("deriva_ml", "datasets", "assets", "workflow", "model_config", "experiment")
# Groups that the main configuration does not choose from: they are added, with a +.
ADDED = ("experiment",)


def options_by_group() -> dict[str, list[str]]:
    """The options by group; Hydra's own groups are left out."""
    repo = ConfigStore.instance().repo
    return {
        group: options for name, node in repo.items() if isinstance(node, dict) for group, options in _below(name, node)
    }


def main_configurations() -> list[str]:
    """The configurations that are in no group."""
    names = [name.removesuffix(".yaml") for name, node in ConfigStore.instance().repo.items() if not _is_group(node)]
    return sorted(name for name in names if not name.startswith("_"))


def typed(group: str, option: str) -> str:
    """A choice as it is typed."""
    return f"{'+' if group in ADDED else ''}{group}={option}"


def _below(name: str, node: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if name == "hydra" or name.startswith("_"):
        return
    own = sorted(each.removesuffix(".yaml") for each, inner in node.items() if not _is_group(inner))
    if own:
        yield name, own
    for each, inner in node.items():
        if _is_group(inner):
            yield from _below(f"{name}/{each}", inner)


def _is_group(node: Any) -> bool:
    return isinstance(node, dict)
