"""Named sweeps: overrides under a name, for `deriva-ml-run +multirun=NAME`."""

from __future__ import annotations

from dataclasses import dataclass, field

_registered: dict[str, MultirunSpec] = {}


@dataclass
class MultirunSpec:
    """A named sweep.

    Attributes:
        name: What stands behind `+multirun=`.
        overrides: As they would be typed after `--multirun`, such as `model_config.learning_rate=0.01,0.1`.
        description: What the sweep is for; Markdown. It becomes the description of the parent execution.
    """

    name: str
    overrides: list[str] = field(default_factory=list)
    description: str = ""


def multirun_config(name: str, overrides: list[str], description: str = "") -> MultirunSpec:
    """Register a named sweep; one of the same name is replaced.

    Args:
        name: What stands behind `+multirun=`.
        overrides: As they would be typed after `--multirun`.
        description: What the sweep is for; Markdown.
    """
    _registered[name] = MultirunSpec(name, list(overrides), description)
    return _registered[name]


def get_multirun_config(name: str) -> MultirunSpec | None:
    """The sweep of that name, or None."""
    return _registered.get(name)


def list_multirun_configs() -> list[str]:
    """Names of all sweeps, in the order in which they were registered."""
    return list(_registered)


def get_all_multirun_configs() -> dict[str, MultirunSpec]:
    """All sweeps by name."""
    return dict(_registered)
