"""The configuration that a command line means, composed by Hydra; what is wrong with it, all at once.

In: the name of the main configuration and the overrides, after the config files were imported. Out: the configuration,
or `Faults`. Nothing is run, and neither catalog nor network is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from deriva_ml_kit.errors import Fault, Faults, UsageError
from deriva_ml_kit.nearest import suggestion
from deriva_ml_kit.runner import complaints, multiruns
from deriva_ml_kit.runner.groups import ADDED, main_configurations, options_by_group
from deriva_ml_kit.runner.loading import shown
from deriva_ml_kit.runner.overrides import key_of
from deriva_ml_kit.runner.values import wrong_values

REFUSED = "The command line does not fit the configuration; nothing was run:"
UNFIT = "The config files do not fit together; nothing was run:"
INCOMPLETE = "The configuration is incomplete; nothing was run:"

# What Hydra raises against a configuration; its own TypeError is for an index that is no number.
ERRORS = (HydraException, OmegaConfBaseException, TypeError)


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


@dataclass(frozen=True)
class Composed:
    """A configuration, and what was chosen.

    Attributes:
        config: Without Hydra's own node; of a sweep, that of its first job.
        choices: Group -> option.
        words: The overrides that make it.
        jobs: How many jobs there are.
    """

    config: DictConfig
    choices: Mapping[str, str]
    words: tuple[str, ...] = ()
    jobs: int = 1


def expand(overrides: Sequence[str]) -> tuple[list[str], multiruns.MultirunSpec | None]:
    """Replace `+multirun=NAME` by what is registered under that name.

    Returns:
        The overrides, those of the sweep first and without those that are typed as well; and the sweep.

    Raises:
        UsageError: There is no such sweep, or several are named.
    """
    named = [word for word in overrides if key_of(word) == "multirun"]
    if not named:
        return list(overrides), None
    names = [word.partition("=")[2] for word in named]
    if len(names) > 1:
        raise UsageError(f"Several sweeps are named: {', '.join(names)}.", remedy="Run them one after another.")
    spec = multiruns.get_multirun_config(names[0])
    if spec is None:
        known = multiruns.list_multirun_configs()
        raise UsageError(
            f"+multirun={names[0]}: there is no sweep of that name; {suggestion(names[0], known)}",
            remedy="multirun_config(…) in src/configs/multiruns.py registers one.",
        )
    own = [word for word in overrides if word not in named]
    typed = {key_of(word) for word in own}
    return [*(word for word in spec.overrides if key_of(word) not in typed), *own], spec


def composed(asked: Asked, *, complete: bool) -> Composed:
    """Compose a configuration; of a sweep, look at the values of all jobs.

    Args:
        asked: What to compose.
        complete: Whether a value that nobody gave is a fault.

    Raises:
        Faults: Something is wrong: all of it that can be told.
    """
    with initialize(version_base="1.3", config_path=None):
        return _Composer(asked).run(complete=complete)


class _Composer:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._options = options_by_group()

    def run(self, *, complete: bool) -> Composed:
        self._require_main()
        given = self._parsed()
        self._require_choices(given)
        single = [_single(override) for override in given]
        first = [words[0] for words in single]
        made = self._compose(given, first)
        if faults := self._misfits(made, first):
            raise Faults(faults, message=REFUSED)
        if faults := list(dict.fromkeys(self._faults_of_others(given, single))):
            raise Faults(faults, message=REFUSED)
        if complete and (faults := self._missing(made)):
            raise Faults(faults, message=INCOMPLETE)
        return replace(made, words=tuple(first), jobs=math.prod(len(words) for words in single))

    def _require_main(self) -> None:
        name, known = self._asked.config_name, main_configurations()
        if name not in known:
            raise UsageError(
                f"--config-name {name}: there is no main configuration of that name; {suggestion(name, known)}",
                remedy=f'store(create_model_config(), name="{name}") in {shown(self._asked.folder / "base.py")} '
                "registers one.",
            )

    def _parsed(self) -> list[Override]:
        parser, parsed, faults = OverridesParser.create(), [], []
        for word in self._asked.overrides:
            try:
                parsed.append(parser.parse_override(word))
            except HydraException as error:
                faults.append(complaints.unreadable(word, error, self._options))
        if faults:
            raise Faults(faults, message="The command line cannot be read; nothing was run:")
        return parsed

    def _require_choices(self, given: Sequence[Override]) -> None:
        faults: list[Fault] = []
        for override in given:
            values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
            faults += complaints.of_choice(override, values, self._options)
            if override.is_sweep_override() and not self._asked.sweep:
                faults.append(complaints.several(str(override.input_line)))
        if faults:
            raise Faults(faults, message=REFUSED)

    def _compose(self, given: Sequence[Override], words: Sequence[str]) -> Composed:
        """Let Hydra compose; if it refuses, find out for each override alone whether it is the reason."""
        try:
            return self._hydra(words)
        except ERRORS as error:
            pairs = list(zip(given, words, strict=True))
            chosen = [word for override, word in pairs if self._chooses(override)]
            base = self._chosen_alone(chosen)
            found = [self._refused(base, chosen, *pair) for pair in pairs if not self._chooses(pair[0])]
            faults = [fault for fault in found if fault] or [Fault(complaints.first_line(error))]
            raise Faults(faults, message=REFUSED) from error

    def _chosen_alone(self, chosen: Sequence[str]) -> Composed:
        """The chosen options: what is wrong with them is written in the config files."""
        try:
            return self._hydra(chosen)
        except ERRORS as error:
            fault = complaints.of_files(error, self._asked.folder, self._options, self._keys(chosen))
            raise Faults([fault], message=UNFIT) from error

    def _keys(self, chosen: Sequence[str]) -> list[str]:
        """Every key that there is without the experiment, which may be what is wrong."""
        try:
            made = self._hydra([word for word in chosen if key_of(word) not in ADDED])
        except ERRORS:
            return []
        return list(_dotted(OmegaConf.to_container(made.config)))

    def _chooses(self, override: Override) -> bool:
        return override.key_or_group in self._options or override.key_or_group.startswith("hydra/")

    def _refused(self, base: Composed, chosen: Sequence[str], override: Override, word: str) -> Fault | None:
        try:
            self._hydra([*chosen, word])
        except ERRORS as error:
            return complaints.of_key(base.config, override, word, error)
        return None

    def _hydra(self, words: Sequence[str]) -> Composed:
        config = hydra_compose(self._asked.config_name, list(words), return_hydra_config=True)
        choices = {key: str(value) for key, value in config.hydra.runtime.choices.items() if value is not None}
        with open_dict(config):
            config.pop("hydra")
        return Composed(config, {key: value for key, value in choices.items() if "/" not in key})

    def _misfits(self, made: Composed, words: Sequence[str]) -> list[Fault]:
        """Values that refer to nothing, or that the model's function would not take."""
        try:
            OmegaConf.to_container(made.config, resolve=True)
        except OmegaConfBaseException as error:
            key = getattr(error, "full_key", None)
            return [
                Fault(": ".join(filter(None, [key, complaints.first_line(error)])), **self._place(key, made, words))
            ]
        return [Fault(f"{key}: {wrong}", **self._place(key, made, words)) for key, wrong in wrong_values(made.config)]

    def _faults_of_others(self, given: Sequence[Override], single: Sequence[Sequence[str]]) -> Iterator[Fault]:
        """Faults in the values of a sweep's other jobs, each looked at beside the first value of every other key."""
        first = [words[0] for words in single]
        for number, others in enumerate(single):
            for word in others[1:]:
                words = [*first[:number], word, *first[number + 1 :]]
                try:
                    yield from self._misfits(self._compose(given, words), words)
                except Faults as error:
                    yield from error.faults

    def _missing(self, made: Composed) -> list[Fault]:
        keys = sorted(OmegaConf.missing_keys(made.config))
        faults = [complaints.missing(key, made.choices, self._asked.folder, self._options) for key in keys]
        return list(dict.fromkeys(faults))

    def _place(self, key: str | None, made: Composed, words: Sequence[str]) -> dict[str, Any]:
        """Where a value is written, unless that is the command line."""
        if not key or any(
            key == (given := key_of(word)) or key.startswith(f"{given}.") for word in words if "." in word
        ):
            return {}
        head, leaf = key.partition(".")[0], key.rpartition(".")[2]
        for group in ("experiment", head):
            if place := complaints.written(self._asked.folder, made.choices.get(group), leaf):
                return place
        return {}


def _dotted(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")


def _single(override: Override) -> list[str]:
    """An override for each of its values, as they would be typed."""
    word = str(override.input_line)
    if not override.is_sweep_override():
        return [word]
    return [f"{word.partition('=')[0]}={value}" for value in override.sweep_string_iterator()]
