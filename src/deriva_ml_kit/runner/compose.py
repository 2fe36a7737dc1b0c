"""The configuration that a command line means, composed by Hydra; what is wrong with it, all at once, in our words.

In: the name of the main configuration and the overrides, after the config files were imported. Out: the configuration,
or `Faults`. Nothing is run, and neither catalog nor network is needed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from deriva_ml_kit.errors import Fault, Faults, KitError, UsageError
from deriva_ml_kit.nearest import nearest, suggestion
from deriva_ml_kit.runner import multiruns
from deriva_ml_kit.runner.configs import pinned
from deriva_ml_kit.runner.loading import shown
from deriva_ml_kit.runner.places import place_of
from deriva_ml_kit.runner.values import wrong_values

GROUPS = ("deriva_ml", "datasets", "assets", "workflow", "model_config", "experiment")
ADDED = ("experiment",)  # groups that the main configuration does not choose from: they are added with +
MISSING_HEADING = "The configuration is incomplete; nothing was run:"
HEADING = "The configuration cannot be composed; nothing was run:"


@dataclass(frozen=True)
class Composed:
    """A configuration, and what was chosen.

    Attributes:
        config: Without Hydra's own node.
        choices: Group -> option.
    """

    config: DictConfig
    choices: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """What a person asked for.

    Attributes:
        folder: The config files.
        config_name: The main configuration.
        overrides: As typed, with `+multirun=` replaced by what it stands for.
        sweep: Whether several values of a key are several jobs.
    """

    folder: Path
    config_name: str
    overrides: tuple[str, ...]
    sweep: bool = False


def expand(overrides: Sequence[str]) -> tuple[list[str], multiruns.MultirunSpec | None]:
    """Replace `+multirun=NAME` by what is registered under that name.

    Returns:
        The overrides, those of the sweep first so that others change them; and the sweep.

    Raises:
        UsageError: There is no such sweep, or two are named.
    """
    names = [word.partition("=")[2] for word in overrides if re.match(r"\+?multirun=", word)]
    if not names:
        return list(overrides), None
    known = multiruns.list_multirun_configs()
    if len(names) > 1:
        raise UsageError(f"Several sweeps are named: {', '.join(names)}.", remedy="Run them one after another.")
    spec = multiruns.get_multirun_config(names[0])
    if spec is None:
        raise UsageError(
            f"+multirun={names[0]}: there is no sweep of that name; {suggestion(names[0], known)}",
            remedy="`deriva-ml-run --list-configs` lists the sweeps; they are registered in src/configs/multiruns.py.",
        )
    own = [word for word in overrides if not re.match(r"\+?multirun=", word)]
    keys = {_key(word) for word in own}
    return [*(word for word in spec.overrides if _key(word) not in keys), *own], spec


def composed(asked: Asked, *, complete: bool) -> Composed:
    """Compose the configuration; of a sweep, that of its first job, after a look at the values of all.

    Args:
        asked: What to compose.
        complete: Whether a value that nobody gave is a fault.

    Raises:
        Faults: Something is wrong; all that could be found.
    """
    with initialize(version_base="1.3", config_path=None):
        return _Composer(asked).run(complete=complete)


class _Composer:
    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.groups = options_by_group()

    def run(self, *, complete: bool) -> Composed:
        self._require_main()
        given = self._parsed()
        faults = [fault for override in given for fault in self._group_faults(override)]
        if not self.asked.sweep:
            faults += [_needs_multirun(override) for override in given if override.is_sweep_override()]
        if faults:
            raise Faults(faults, message=HEADING)
        first = [next(_single(override)) for override in given]
        made = self._compose(given, first)
        self._require_values(made, first)
        self._require_others(given, first)
        if complete and (missing := self._missing(made)):
            raise Faults(missing, message=MISSING_HEADING)
        return made

    def _require_main(self) -> None:
        mains = [name for name, node in ConfigStore.instance().repo.items() if not isinstance(node, dict)]
        known = sorted(name.removesuffix(".yaml") for name in mains if not name.startswith("_"))
        if self.asked.config_name not in known:
            raise UsageError(
                f"--config-name {self.asked.config_name}: there is no main configuration of that name; "
                f"{suggestion(self.asked.config_name, known)}",
                remedy=f'Register one: store(create_model_config(), name="{self.asked.config_name}") '
                f"in {shown(self.asked.folder / 'base.py')}.",
            )

    def _parsed(self) -> list[Override]:
        parser, parsed, faults = OverridesParser.create(), [], []
        for word in self.asked.overrides:
            try:
                parsed.append(parser.parse_override(word))
            except HydraException as error:
                faults.append(self._unreadable(word, error))
        if faults:
            raise Faults(faults, message="The command line cannot be read; nothing was run:")
        return parsed

    def _unreadable(self, word: str, error: HydraException) -> Fault:
        if "=" in word:
            said = str(error).splitlines()[0].partition(":")[0]
            return Fault(f"{word}: Hydra cannot read this ({said})", remedy=f"put the value into quotes: '{_key(word)}=\"…\"'")
        holding = [group for group in self.groups if word in self.groups[group]]
        known = {option: group for group in GROUPS for option in self.groups.get(group, ())}
        close = nearest(word, [*known, *multiruns.list_multirun_configs()], limit=1)
        if word in multiruns.list_multirun_configs():
            remedy = f"write +multirun={word}"
        elif holding:
            remedy = " or ".join(f"write {_typed(group, word)}" for group in holding)
        elif close:
            remedy = f"did you mean {_typed(known[close[0]], close[0]) if close[0] in known else f'+multirun={close[0]}'}?"
        else:
            remedy = "write key=value, such as +experiment=NAME or model_config.epochs=3"
        return Fault(f"{word}: is no key=value", remedy=remedy)

    def _group_faults(self, override: Override) -> Iterator[Fault]:
        group = override.key_or_group
        if group.startswith("hydra") or override.is_delete():
            return
        word = str(override.input_line)
        if group == "multirun":
            yield Fault(f"{word}: sweeps are added", remedy=f"write +{word.lstrip('+')}")
        elif group in self.groups:
            options = self.groups[group]
            if group in ADDED and not override.is_add():
                yield Fault(f"{word}: an {group} is added to what is chosen already", remedy=f"write +{word}")
            elif override.is_add() and group not in ADDED and group in GROUPS:
                yield Fault(f"{word}: {group} is chosen already", remedy=f"write {word.lstrip('+')}")
            for value in _values(override):
                if isinstance(value, str) and value not in options:
                    yield Fault(
                        f"{group}={value}: the group {group} has no such option; {suggestion(value, options)} "
                        f"Options: {', '.join(options)}."
                    )

    def _compose(self, given: Sequence[Override], first: Sequence[str]) -> Composed:
        try:
            return self._hydra(first)
        except (HydraException, OmegaConfBaseException, TypeError) as error:
            chosen = [word for word, override in zip(first, given, strict=True) if self._chooses(override)]
            base = self._base(chosen)
            faults = [
                fault
                for word, override in zip(first, given, strict=True)
                if word not in chosen and (fault := self._refused(base, chosen, word, override))
            ]
            raise Faults(faults or [Fault(_text(error))], message=HEADING) from error

    def _base(self, chosen: Sequence[str]) -> Composed:
        """The options alone: what is wrong with them stands in the config files."""
        try:
            return self._hydra(chosen)
        except (HydraException, OmegaConfBaseException, TypeError) as error:
            raise Faults([self._of_files(error)], message="The config files do not fit together; nothing was run:") from error

    def _chooses(self, override: Override) -> bool:
        return override.key_or_group in self.groups or override.key_or_group.startswith("hydra/")

    def _refused(self, base: Composed, chosen: Sequence[str], word: str, override: Override) -> Fault | None:
        try:
            self._hydra([*chosen, word])
        except (HydraException, OmegaConfBaseException, TypeError) as error:
            return _of_key(base.config, override, word, error)
        return None

    def _hydra(self, overrides: Sequence[str]) -> Composed:
        config = hydra_compose(self.asked.config_name, list(overrides), return_hydra_config=True)
        choices = {key: str(value) for key, value in config.hydra.runtime.choices.items() if value is not None}
        with open_dict(config):
            config.pop("hydra")
        own = {key: value for key, value in choices.items() if not key.startswith("hydra/")}
        return Composed(config, own)

    def _require_values(self, made: Composed, words: Sequence[str]) -> None:
        faults = [*self._unresolved(made)] or [
            Fault(f"{key}: {wrong}", **self._place(key, made, words)) for key, wrong in wrong_values(made.config)
        ]
        if faults:
            raise Faults(faults, message=HEADING)

    def _require_others(self, given: Sequence[Override], first: Sequence[str]) -> None:
        """The values of a sweep's other jobs, each beside the first values of the other keys."""
        faults: list[Fault] = []
        for number, override in enumerate(given):
            for word in list(_single(override))[1:]:
                words = [*first[:number], word, *first[number + 1 :]]
                try:
                    self._require_values(self._compose(given, words), words)
                except Faults as error:
                    faults += error.faults
        if faults:
            raise Faults(list(dict.fromkeys(faults)), message=HEADING)

    def _unresolved(self, made: Composed) -> Iterator[Fault]:
        try:
            OmegaConf.to_container(made.config, resolve=True)
        except OmegaConfBaseException as error:
            key = getattr(error, "full_key", None)
            yield Fault(f"{key}: {_text(error)}" if key else _text(error))

    def _missing(self, made: Composed) -> list[Fault]:
        """Values that nobody gave, and who gives them."""
        keys = sorted(OmegaConf.missing_keys(made.config))
        return [self._missing_key(key, made) for key in keys]

    def _missing_key(self, key: str, made: Composed) -> Fault:
        head, _, rest = key.partition(".")
        role = rest.partition(".")[0]
        pin = pinned.get((made.choices.get("datasets", ""), role)) if head == "datasets" else None
        if pin:
            file = shown(pin.file)
            made_by = f"make it with `{pin.made_by}`, or " if pin.made_by else ""
            return Fault(
                f"{key} is missing: {file} has no pin {pin.pin!r}",
                remedy=f'{made_by}write {pin.pin} = "RID@VERSION" there; for one run: '
                f"datasets.{role}.rid=… datasets.{role}.version=…",
            )
        given = {"deriva_ml.hostname": "--host HOST[:PORT]", "deriva_ml.catalog_id": "--catalog ID"}
        if key in given:
            file = shown(self.asked.folder / "catalog.json")
            return Fault(f"{key} is missing: {file} names no catalog", remedy=f"make one with src/scripts/make_schema.py, or give {given[key]}")
        if key in self.groups:
            return Fault(f"{key} is missing: none is chosen", remedy=f"write {key}=NAME; {suggestion('', self.groups[key])}")
        return Fault(f"{key} is missing: nothing gives it a value", remedy=f"write {key}=VALUE")

    def _place(self, key: str, made: Composed, words: Sequence[str]) -> dict[str, Any]:
        """Where a value was written, unless that was the command line."""
        if any(_key(word) == key for word in words):
            return {}
        head, _, leaf = key.rpartition(".")
        for group in ("experiment", head.partition(".")[0]):
            if (option := made.choices.get(group)) and (found := place_of(self.asked.folder, option, leaf)):
                return {"file": shown(found[0]), "line": found[1]}
        return {}

    def _of_files(self, error: BaseException) -> Fault:
        """What Hydra says about the config files: which option, which file."""
        text = _text(error)
        if isinstance(error, MissingConfigException) and error.missing_cfg_file:
            group, _, option = str(error.missing_cfg_file).rpartition("/")
            options = self.groups.get(group, [])
            holder = (re.match(r"In '([^']+)'", text) or ["", ""])[1]
            message = f"{group}={option}: the group {group} has no such option; {suggestion(option, options)}"
            if not options:
                message = f"{group}={option}: nothing is registered in the group {group}"
            return Fault(message, **self._found(holder, option))
        if match := re.match(r"In '([^']+)': \w+ raised while composing config:\n(.*)", text, re.DOTALL):
            key = str(getattr(error.__cause__, "full_key", "") or "")
            return Fault(f"{key}: {match[2].splitlines()[0]}", **self._found(match[1], key.rpartition(".")[2]))
        if match := re.search(r"Could not override '([^']+)'", text):
            return Fault(f"{text}", **self._found(match[1], match[1]))
        return Fault(text)

    def _found(self, config: str, key: str) -> dict[str, Any]:
        place = place_of(self.asked.folder, config.rpartition("/")[2], key)
        return {"file": shown(place[0]), "line": place[1]} if place else {}


def options_by_group() -> dict[str, list[str]]:
    """The options that config files have registered, by group; Hydra's own groups are left out."""
    repo = ConfigStore.instance().repo
    return {name: found for name, node in repo.items() if isinstance(node, dict) for name, found in _options(name, node)}


def _options(name: str, node: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if name == "hydra" or name.startswith("_"):
        return
    own = sorted(each.removesuffix(".yaml") for each, inner in node.items() if not isinstance(inner, dict))
    if own:
        yield name, own
    for each, inner in node.items():
        if isinstance(inner, dict):
            yield from _options(f"{name}/{each}", inner)


def _single(override: Override) -> Iterator[str]:
    """An override for each of its values, as it would be typed."""
    if not override.is_sweep_override():
        yield str(override.input_line)
        return
    key = str(override.input_line).partition("=")[0]
    for value in override.sweep_string_iterator():
        yield f"{key}={value}"


def _values(override: Override) -> list[Any]:
    return list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]


def _needs_multirun(override: Override) -> Fault:
    word = str(override.input_line)
    key, _, values = word.partition("=")
    return Fault(f"{word}: several values", remedy=f"for one job for each add --multirun; for one list write {key}=[{values}]")


def _of_key(config: DictConfig, override: Override, word: str, error: BaseException) -> Fault:
    """Why one override cannot be: its key does not exist, or its value does not fit."""
    key = override.key_or_group
    parent, name = _deepest(config, key)
    if isinstance(parent, ListConfig) and not name.isdigit():
        where = key[: key.index(name)].rstrip(".")
        return Fault(
            f"{word}: {where} is a list of {len(parent)}, without roles",
            remedy=f"write {where}.0{key[key.index(name) + len(name):]}=…, or register it by role (store_datasets)",
        )
    if isinstance(parent, DictConfig) and name and name not in parent:
        allowed = [str(each) for each in parent if not str(each).startswith("_")]
        where = key[: len(key) - len(name)].rpartition(name)[0] or key[: key.rfind(name)].rstrip(".")
        of = f" of {where}" if where else ""
        listed = f" Keys{of}: {', '.join(sorted(allowed))}."
        return Fault(f"{word}: there is no key {name!r}{of}; {suggestion(name, allowed)}{listed if nearest(name, allowed) else ''}")
    node = OmegaConf.select(config, key, default=None) if not override.is_delete() else None
    return Fault(f"{word}: {_text(error.__cause__ or error)}{_expected(config, key)}" if node is None else f"{word}: {_text(error.__cause__ or error)}{_expected(config, key)}")


def _expected(config: DictConfig, key: str) -> str:
    from deriva_ml_kit.runner.values import told  # noqa: PLC0415

    parent, name = _deepest(config, key, existing=True)
    node = parent._get_node(name) if isinstance(parent, DictConfig) and name in parent else None
    kind = getattr(getattr(node, "_metadata", None), "ref_type", Any)
    return f"; expected {told(kind)}" if kind is not Any else ""


def _deepest(config: Any, key: str, *, existing: bool = False) -> tuple[Any, str]:
    """The deepest node on the way to a key, and the part of the key that is not in it (`existing`: the last part)."""
    node, parts = config, key.split(".")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        inside = part in node if isinstance(node, DictConfig) else isinstance(node, ListConfig) and part.isdigit() and int(part) < len(node)
        if not inside or (existing and last):
            return node, part
        if last:
            return node, ""
        node = node._get_node(int(part) if isinstance(node, ListConfig) else part)
    return node, ""


def _typed(group: str, option: str) -> str:
    return f"{'+' if group in ADDED else ''}{group}={option}"


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _text(error: BaseException | None) -> str:
    """The first line of what a library says, which is the only one for people."""
    with contextlib.suppress(IndexError):
        return str(error).strip().splitlines()[0]
    return type(error).__name__
