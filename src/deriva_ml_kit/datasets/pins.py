"""Pins: which version of each dataset a project uses, as `name = "RID@version"` in a TOML file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from deriva_ml_kit.errors import UsageError

HEADING = "# RID@version of each dataset that this project uses.\n"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_pins(file: Path) -> dict[str, str]:
    """Return name -> ``RID@version``; nothing if there is no file.

    Raises:
        UsageError: The file is no TOML.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}") from error
    return {name: value for name, value in document.items() if isinstance(value, str)}


def write_pin(file: Path, name: str, pin: str) -> bool:
    """Set one pin; every other line of the file stays as it is.

    Args:
        file: TOML file; made, with its folders, if it is not there.
        name: Name of the dataset in the project: letters, digits, ``_`` and ``-``.
        pin: ``RID@version``.

    Returns:
        Whether that changed the file.

    Raises:
        UsageError: As for `with_pin`.
    """
    text = with_pin(file, name, pin)
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return True


def with_pin(file: Path, name: str, pin: str = "0-0000@0.0.0") -> str:
    """Return what a file will be with a pin set; shows before the work whether it can be.

    Raises:
        UsageError: The name is none, the file is no TOML, or the name stands for something else in it.
    """
    if not _BARE.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a pin: use letters, digits, _ and -.")
    known = read_pins(file)
    text = file.read_text(encoding="utf-8") if file.exists() else HEADING
    if known.get(name) == pin:
        return text
    line = f'{name} = "{pin}"'
    if name in known:
        text = re.sub(rf"^[ \t]*{re.escape(name)}[ \t]*=.*$", line, text, count=1, flags=re.MULTILINE)
    else:
        table = re.search(r"^[ \t]*\[", text, flags=re.MULTILINE)
        head, tail = (text[: table.start()], text[table.start() :]) if table else (text, "")
        text = head + ("" if not head or head.endswith("\n") else "\n") + line + "\n" + tail
    try:
        agreed = tomllib.loads(text).get(name) == pin
    except tomllib.TOMLDecodeError:
        agreed = False
    if not agreed:
        raise UsageError(f"{file} cannot take the pin {line}.", remedy="Give another name, or write it there by hand.")
    return text
