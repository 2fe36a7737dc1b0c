"""What was typed behind the program's own options: Hydra's flags, and overrides `key=value`.

Pure: texts in, texts out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Hydra's own flags that are handed to it as they are, and how many values follow; a test compares this with Hydra.
HYDRA_FLAGS = {
    "--cfg": 1,
    "--resolve": 0,
    "--package": 1,
    "-p": 1,
    "--shell-completion": 0,
    "-sc": 0,
    "--config-path": 1,
    "-cp": 1,
    "-cd": 1,  # --config-dir is ours, as in main line
    "--experimental-rerun": 1,
    "--hydra-help": 0,
    "--version": 0,
}
CFG = ("job", "hydra", "all")
# Keys of model_config that may differ between the tiers of a run.
SCALE = ("epochs", "max_epochs", "num_epochs", "max_steps", "num_steps", "steps", "limit_batches")
RUN = ("--run", "-r")  # what is done anyway
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


@dataclass(frozen=True)
class Words:
    """A command line, taken apart.

    Attributes:
        flags: Hydra's flags with their values.
        rest: All other words, in their order.
    """

    flags: tuple[str, ...]
    rest: tuple[str, ...]


def take_flags(words: Sequence[str]) -> Words:
    """Part Hydra's flags from everything else.

    `--info` is Hydra's where a word of Hydra's follows it, such as `--info defaults`.
    """
    flags: list[str] = []
    rest: list[str] = []
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--info", "-i") and (value or next(iter(remaining), "")) in INFO:
            flags += ["--info", value or remaining.pop(0)]
        elif word in RUN:
            continue
        elif name in HYDRA_FLAGS and name.startswith("--") and equals:
            flags += [name, value]
        elif word in HYDRA_FLAGS:
            flags += [word, *remaining[: HYDRA_FLAGS[word]]]
            del remaining[: HYDRA_FLAGS[word]]
        else:
            rest.append(word)
    return Words(tuple(flags), tuple(rest))


def wrong_flag(flags: Sequence[str]) -> str | None:
    """What is wrong with Hydra's flags: a value is missing or there is no such value, or a flag stands alone."""
    alone = [flag for flag in flags if flag in ("--resolve", "--package", "-p")]
    if alone and "--cfg" not in flags:
        return f"{alone[0]} goes with --cfg {CFG[0]}"
    remaining = list(flags)
    while remaining:
        name = remaining.pop(0)
        if not HYDRA_FLAGS.get(name, 1):
            continue
        if not remaining:
            return f"{name} needs a value" + (f": {', '.join(CFG)}" if name == "--cfg" else "")
        value = remaining.pop(0)
        if name == "--cfg" and value not in CFG:
            return f"--cfg {value}: there are {', '.join(CFG)}"
    return None


def quoted(text: str) -> str:
    """A text as Hydra's grammar takes it for a value, whatever stands in it; `${` starts no interpolation."""
    plain = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", plain)
    ending = re.search(r"\\*$", escaped)
    return f"'{escaped}{ending[0] if ending else ''}'"


def says_true(overrides: Iterable[str], key: str) -> bool:
    """Whether the last override of a key sets it to true."""
    said = [each.partition("=")[2] for each in overrides if key_of(each) == key]
    return bool(said) and said[-1].strip("'\" ").lower() in ("true", "1", "yes", "on")


def key_of(word: str) -> str:
    """The key of an override, without what says how it is set."""
    return word.lstrip("+~").partition("=")[0]


def without(words: Sequence[str], *keys: str) -> list[str]:
    """A command line without what sets some keys, or names them as an option with a value (`--tier 2`)."""
    kept: list[str] = []
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if word in {f"--{key}" for key in keys}:
            del remaining[:1]
        elif key_of(word.removeprefix("--")) not in keys:
            kept.append(word)
    return kept


def is_scale(word: str) -> bool:
    """Whether an override only makes a run smaller or larger: its datasets, how long it trains."""
    key = key_of(word)
    return key.partition(".")[0] == "datasets" or (key.startswith("model_config.") and key[13:] in SCALE)
