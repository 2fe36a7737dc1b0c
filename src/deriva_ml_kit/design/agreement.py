"""Do the hyperparameters of a document stand in the configuration, with the same values?

In: a document, and the configuration as nested mappings, read from a TOML file here or resolved by the caller.
Out: faults at the document's lines.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.design.document import NO_VALUE, Design
from deriva_ml_kit.errors import Fault, UsageError
from deriva_ml_kit.nearest import suggestion

MODEL_CONFIG = "model_config"


@dataclass(frozen=True)
class Configuration:
    """Values by key, and where they come from as a person would name it."""

    values: Mapping[str, Any]
    origin: str


def toml_configuration(file: Path) -> Configuration:
    """The configuration in a TOML file.

    Raises:
        UsageError: There is no such file, or it is no TOML.
    """
    try:
        return Configuration(tomllib.loads(file.read_text(encoding="utf-8")), str(file))
    except OSError as error:
        raise UsageError(f"The configuration {file} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {file} is no TOML: {error}") from error


def disagreements(design: Design, configuration: Configuration) -> Iterator[Fault]:
    """Yield what the document says and the configuration does not."""
    known = dict(_flat(configuration.values))
    for named in design.hyperparameters:
        keys = _keys(named.name, known)
        message, remedy = None, None
        if not keys:
            own = {key.removeprefix(f"{MODEL_CONFIG}.") for key in known}
            message = f"has no key in {configuration.origin}; {suggestion(named.name, own)}"
        elif len(keys) > 1:
            message, remedy = f"may be {' or '.join(keys)}", "write the whole key"
        elif named.value is not NO_VALUE and not _same(named.value, known[keys[0]]):
            there = f"{_shown(known[keys[0]])} in {configuration.origin}"
            message, remedy = f"is {_shown(named.value)} here and {there}", "change the one that is wrong"
        if message:
            yield Fault(f"hyperparameter {named.name} {message}", str(design.file), named.line, remedy=remedy)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        yield f"{prefix}{key}", value


def _keys(name: str, known: Mapping[str, Any]) -> list[str]:
    """The keys that a name means: itself, else the model's own, else any that ends with it."""
    for candidate in (name, f"{MODEL_CONFIG}.{name}"):
        if candidate in known:
            return [candidate]
    return [key for key in known if key.endswith(f".{name}")]


def _same(here: Any, there: Any) -> bool:
    if isinstance(here, bool) or isinstance(there, bool):
        return here is there
    if isinstance(here, list | tuple) and isinstance(there, Sequence) and not isinstance(there, str):
        return len(here) == len(there) and all(map(_same, here, there))
    return bool(here == there)


def _shown(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)
