"""What is wrong with an override or a config file, in words that say what to type instead.

In: what was typed, what there is, what Hydra said. Out: faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import ValidationError

from deriva_ml_kit.errors import Fault
from deriva_ml_kit.nearest import nearest, suggestion
from deriva_ml_kit.runner import multiruns
from deriva_ml_kit.runner.configs import pinned
from deriva_ml_kit.runner.groups import ADDED, GROUPS, typed
from deriva_ml_kit.runner.loading import shown
from deriva_ml_kit.runner.places import mention_of, place_of
from deriva_ml_kit.runner.sweep.launchers import DOCUMENT, PLUGINS
from deriva_ml_kit.runner.values import told

Options = Mapping[str, Sequence[str]]

# Given by the run to the model's function; nobody sets them.
SUPPLIED = ("ml_instance", "execution")


def unreadable(word: str, said: BaseException, options: Options) -> Fault:
    """A word that is no override."""
    key, equals, _ = word.partition("=")
    if equals:
        return Fault(f"{word}: cannot be read ({first_line(said)})", remedy=f"put the value into quotes: '{key}=\"…\"'")
    return Fault(f"{word}: is no KEY=VALUE", remedy=_meant(word, options))


def _meant(word: str, options: Options) -> str:
    """What a bare word probably was to be."""
    by_name = {option: typed(group, option) for group in GROUPS for option in options.get(group, ())}
    by_name |= {name: f"+multirun={name}" for name in multiruns.list_multirun_configs()}
    if word in by_name:
        return f"write {by_name[word]}"
    if close := nearest(word, by_name, limit=1):
        return f"did you mean {by_name[close[0]]}?"
    return "write +experiment=NAME to choose an experiment, or KEY=VALUE such as model_config.epochs=3"


def of_choice(override: Override, values: Sequence[Any], options: Options) -> Iterator[Fault]:
    """What is wrong with a choice of an option of a group."""
    group, word = override.key_or_group, str(override.input_line)
    bare = word.lstrip("+")
    if group not in options or override.is_delete():
        return
    if group in ADDED and not override.is_add():
        yield Fault(f"{word}: an {group} is added to what is chosen already", remedy=f"write +{bare}")
    if group in GROUPS and group not in ADDED and override.is_add():
        yield Fault(f"{word}: {group} is chosen already", remedy=f"write {bare}")
    for value in values:
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name not in options[group]:
                yield Fault(_no_option(group, name, options[group]))


def several(word: str) -> Fault:
    """Several values of a key, without a sweep."""
    key, _, values = word.partition("=")
    remedy = f"add --multirun for a job of each; write {key}=[{values}] for one list"
    return Fault(f"{word}: names several values", remedy=remedy)


def of_key(config: DictConfig, override: Override, word: str, error: BaseException) -> Fault:
    """Why a value cannot be set: there is no such key, or the value does not fit."""
    way, node, missing = _way(config, override.key_or_group)
    of = f" of {way}" if way else ""
    if missing and isinstance(node, ListConfig):
        return Fault(
            f"{word}: {way} is a list of {len(node)}, and has no {missing!r}",
            remedy=f"write {way}.0… for its first, or register datasets by role with store_datasets",
        )
    if missing and isinstance(node, DictConfig):
        keys = sorted(str(key) for key in node if not str(key).startswith("_") and key not in SUPPLIED)
        listed = f" Keys{of}: {', '.join(keys)}." if nearest(missing, keys) or len(keys) > 12 else ""
        return Fault(f"{word}: there is no key {missing!r}{of}; {suggestion(missing, keys)}{listed}")
    if override.is_delete():
        return Fault(f"{word}: it cannot be taken away", remedy=f"write {override.key_or_group}=null")
    cause = error.__cause__ or error
    kind = _kind(config, override.key_or_group)
    if isinstance(cause, ValidationError) and kind:
        return Fault(f"{word}: {word.partition('=')[2]!r} is not {kind}")
    return Fault(f"{word}: {first_line(cause)}")


def of_files(error: BaseException, folder: Path, options: Options, keys: Sequence[str]) -> Fault:
    """What Hydra says against the config files: which option it is, and where it is written.

    Args:
        error: What it says.
        folder: The config files.
        options: What there is, by group.
        keys: Every key that there is, written with dots, as far as that is known.
    """
    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return Fault(_no_option(group, option, options.get(group, ())), **_at(mention_of(folder, option)))
    if match := re.match(r"In '([^']+)': \w+ raised while composing config:\n(.*)", text, re.DOTALL):
        holder, said = match[1], match[2].splitlines()[0]
        key = str(getattr(error.__cause__, "key", None) or "")
        if no_key := re.match(r"Key '([^']+)' (?:is )?not in ", said):
            key = no_key[1]
            near = [dotted for dotted in keys if nearest(key, [dotted.rpartition(".")[2]])]
            said = f"there is no key {key!r}" + (f"; did you mean {' or '.join(near[:3])}?" if near else "")
        return Fault(f"{holder}: {said}", **written(folder, holder, key))
    match = re.search(r"[Cc]ould not override '([^']+)'", text)
    return Fault(first_line(error), **(_at(mention_of(folder, f"override /{match[1]}")) if match else {}))


def missing(key: str, choices: Mapping[str, str], folder: Path, options: Options) -> Fault:
    """A value that nobody gave, and who gives it."""
    head, _, rest = key.partition(".")
    role = rest.partition(".")[0]
    if head == "datasets" and (pin := pinned.get((choices.get("datasets", ""), role))):
        made_by = f"make it with `{pin.made_by}`, or " if pin.made_by else ""
        return Fault(
            f"datasets.{role} is missing: {shown(pin.file)} has no pin {pin.pin!r}",
            remedy=f'{made_by}write {pin.pin} = "RID@VERSION" there; for one run: '
            f"datasets.{role}.rid=RID datasets.{role}.version=VERSION",
        )
    if key in ("deriva_ml.hostname", "deriva_ml.catalog_id"):
        return Fault(
            f"the catalog is missing: {shown(folder / 'catalog.json')} names none",
            remedy="make one with src/scripts/make_schema.py, or give --host HOST[:PORT] --catalog ID",
        )
    if key in options:
        return Fault(f"{key} is missing: nothing is chosen", remedy=f"write {key}=NAME; {suggestion('', options[key])}")
    return Fault(f"{key} is missing: nothing gives it a value", remedy=f"write {key}=VALUE")


def written(folder: Path, config: str | None, key: str) -> dict[str, Any]:
    """File and line where a key of an option is written, as fields of a fault; none if nobody can tell."""
    return _at(place_of(folder, config.rpartition("/")[2], key) if config else None)


def _at(place: tuple[Path, int] | None) -> dict[str, Any]:
    return {"file": shown(place[0]), "line": place[1]} if place else {}


def first_line(error: BaseException) -> str:
    """The first line of what a library says, which is the only one for people."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _no_option(group: str, option: str, options: Sequence[str]) -> str:
    if group == "hydra/launcher" and option in PLUGINS:
        return f"{typed(group, option)}: this launcher is not installed: {PLUGINS[option]} (see {DOCUMENT})"
    if not options:
        return f"{typed(group, option)}: nothing is registered in the group {group}"
    listed = f" Options: {', '.join(options)}." if nearest(option, options) or len(options) > 12 else ""
    return f"{typed(group, option)}: {group} has no such option; {suggestion(option, options)}{listed}"


def _kind(config: DictConfig, key: str) -> str | None:
    """The type that a value is declared to have, in words."""
    parent: Any = config
    *way, name = key.split(".")
    for part in way:
        parent = parent[int(part) if isinstance(parent, ListConfig) else part]
    node = parent._get_node(name) if isinstance(parent, DictConfig) and name in parent else None
    metadata = getattr(node, "_metadata", None)
    if metadata is None or metadata.ref_type is Any:
        return None
    return told(metadata.ref_type | None if metadata.optional else metadata.ref_type)


def _way(config: DictConfig, key: str) -> tuple[str, Any, str]:
    """How far a key leads: the part that exists, the node there, and the next part, which does not."""
    node: Any = config
    gone: list[str] = []
    for part in key.split("."):
        if isinstance(node, DictConfig) and part in node:
            node = node._get_node(part)
        elif isinstance(node, ListConfig) and part.isdigit() and int(part) < len(node):
            node = node._get_node(int(part))
        else:
            return ".".join(gone), node, part
        gone.append(part)
    return ".".join(gone), node, ""
