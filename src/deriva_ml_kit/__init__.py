"""From nothing to a first real training run on a DERIVA catalog, and on into operations.

The names of `deriva_ml_kit.mainline` are to be had here as well, so that a project's own class starts as

    from deriva_ml_kit import DerivaML

    class MyProjectML(DerivaML): ...

They are imported when first asked for: that takes seconds, and many programs of this package do without.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name[0].isupper():
        mainline = importlib.import_module("deriva_ml_kit.mainline")
        if name in mainline.__all__:
            return getattr(mainline, name)
    raise AttributeError(f"module 'deriva_ml_kit' has no attribute {name!r}")
