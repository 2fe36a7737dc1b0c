"""What a project's config files offer: the groups, the options of each, what each is; and the named sweeps.

In: what the config files have registered. Out: the same as data, and as text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, ListConfig, OmegaConf

from deriva_ml_kit.runner import multiruns
from deriva_ml_kit.runner.groups import GROUPS, options_by_group, typed

LEGEND = """\
* is chosen where nothing else is said. Choose others, change values:

  uv run deriva-ml-run +experiment=NAME dry_run=true        tier 1: nothing is written
  uv run deriva-ml-run +experiment=NAME --cfg job           the configuration, and nothing else
  uv run deriva-ml-run +experiment=NAME model_config.KEY=VALUE
"""


@dataclass(frozen=True)
class Option:
    """One option of a group.

    Attributes:
        typed: As it is typed.
        default: Whether it is chosen where nothing else is said.
        description: What it is.
    """

    typed: str
    default: bool
    description: str


def menu(config_name: str) -> dict[str, list[dict[str, Any]]]:
    """Group -> its options, in the order in which a run is put together; `multirun` -> the named sweeps."""
    chosen = _defaults(config_name)
    found = options_by_group()
    groups = [*(group for group in GROUPS if group in found), *sorted(set(found) - set(GROUPS))]
    listed = {
        group: [
            asdict(Option(typed(group, name), chosen.get(group) == name, told(group, name, chosen.get(group))))
            for name in found[group]
        ]
        for group in groups
    }
    sweeps = multiruns.get_all_multirun_configs().values()
    return listed | {
        "multirun": [
            {
                "typed": f"+multirun={sweep.name}",
                "default": False,
                "description": _first_line(sweep.description),
                "overrides": list(sweep.overrides),
            }
            for sweep in sweeps
        ]
    }


def as_text(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """The menu as a person reads it."""
    width = max((len(option["typed"]) for options in found.values() for option in options), default=0)
    lines: list[str] = []
    for group, options in found.items():
        lines.append(group)
        for option in options:
            mark = "*" if option["default"] else " "
            lines.append(f"  {mark} {option['typed']:<{width}}  {option['description']}".rstrip())
            lines += [f"    {'':<{width}}  {override}" for override in option.get("overrides", ())]
        if not options:
            lines.append("    none")
        lines.append("")
    return "\n".join([*lines, LEGEND.rstrip()])


def told(group: str, name: str, default: str | None = None) -> str:
    """What an option is, in one line; of a model, also in what it differs from the default."""
    node = _node(group, name)
    parts = [_description(node), *(_facts(group, node))]
    if group == "model_config" and default and name != default:
        parts += _changes(_node(group, default), node)
    return textwrap.shorten("; ".join(part for part in parts if part), 150, placeholder=" …")


def _node(group: str, name: str) -> Any:
    return ConfigStore.instance().load(f"{group}/{name}.yaml").node


def _changes(before: Any, after: Any) -> Iterator[str]:
    old, new = (OmegaConf.to_container(node) if isinstance(node, DictConfig) else {} for node in (before, after))
    assert isinstance(old, dict)
    assert isinstance(new, dict)
    if old.get("_target_") == new.get("_target_"):
        yield ", ".join(f"{key!s}={value}" for key, value in new.items() if old.get(key, ...) != value)


def _defaults(config_name: str) -> dict[str, str]:
    repo = ConfigStore.instance().repo
    if (main := repo.get(f"{config_name}.yaml")) is None:
        return {}
    given = [each for each in main.node.get("defaults", []) if isinstance(each, DictConfig)]
    return {str(group): str(option) for each in given for group, option in each.items()}


def _description(node: Any) -> str:
    if isinstance(node, DictConfig):
        if not OmegaConf.is_missing(node, "description") and isinstance(text := node.get("description"), str) and text:
            return _first_line(text)
        kind = OmegaConf.get_type(node)
        if kind is not None and kind.__name__ == "Roles":
            return _first_line(kind.__doc__ or "")
        if "_target_" in node and not str(node["_target_"]).startswith("deriva_ml"):
            return _first_line(_docstring(str(node.get("_zen_target", node["_target_"]))))
    return ""


def _docstring(path: str) -> str:
    from hydra.utils import get_object  # noqa: PLC0415

    try:
        return get_object(path).__doc__ or ""
    except Exception:  # the run itself says so
        return ""


def _facts(group: str, node: Any) -> Iterator[str]:
    if group == "datasets":
        listed = node.get("items", node) if isinstance(node, DictConfig) else node
        pairs = listed.items() if isinstance(listed, DictConfig) else ((None, each) for each in listed)
        yield ", ".join(_dataset(role, each) for role, each in pairs) or "none"
    elif group == "assets":
        listed = node.get("items", node) if isinstance(node, DictConfig) else node
        yield ", ".join(str(each.get("rid") if isinstance(each, DictConfig) else each) for each in listed) or "none"
    elif group == "deriva_ml" and isinstance(node, DictConfig):
        host, catalog = (_shown(node, key) for key in ("hostname", "catalog_id"))
        yield f"{host}, catalog {catalog}" if host != "?" else "no catalog yet (catalog.json), or --host and --catalog"
    elif group == "workflow" and isinstance(node, DictConfig):
        kinds = node.get("workflow_type") if not OmegaConf.is_missing(node, "workflow_type") else "?"
        yield f"type {', '.join(kinds) if isinstance(kinds, ListConfig) else kinds}"


def _dataset(role: Any, each: Any) -> str:
    if isinstance(each, DictConfig):
        rid = _shown(each, "rid")
        each = f"{rid}@{_shown(each, 'version')}" if rid != "?" else "not made yet"
    return f"{role} {each}" if role is not None else str(each)


def _shown(node: DictConfig, key: str) -> str:
    return "?" if key not in node or OmegaConf.is_missing(node, key) else str(node[key])


def _first_line(text: str) -> str:
    return next((line.strip("# ").rstrip(".") for line in text.strip().splitlines()), "")
