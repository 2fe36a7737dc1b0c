"""Sources that take from the plain `deriva_ml` what the kit supplies: on the release a dry run of theirs writes.

In: Python sources. Out: a fault for each such name, with its line and what to write instead. Nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from deriva_ml_kit.errors import Fault, Faults

# What does things otherwise in the release than in main line; specs, versions and records do no harm.
SUPPLIED = frozenset({
    "Dataset",
    "DatasetBag",
    "DerivaML",
    "Execution",
    "Workflow",
})  # fmt: skip
REMEDY = (
    "Import them from deriva_ml_kit instead: on the release even a dry run of the plain ones writes to the catalog."
)


class PlainImports(Faults):
    """Sources take from the plain library what the kit supplies."""

    exit_code = 1

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults, message=f"{len(faults)} to change:", remedy=REMEDY)


def plain_imports(path: Path) -> list[Fault]:
    """Find what a Python file takes from the plain library.

    Args:
        path: A Python source; one that Python cannot read gives a fault that says so.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        return [Fault(f"is no Python: {error}", file=str(path), line=getattr(error, "lineno", None))]
    return [
        Fault(f"{name} of the plain deriva_ml", file=str(path), line=line) for line, name in sorted(set(_taken(tree)))
    ]


def python_files(places: list[Path]) -> Iterator[Path]:
    """The Python files among some files and below some folders, without those of virtual environments."""
    for place in places:
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        yield from (file for file in found if not {".venv", "site-packages"} & set(file.parts))


def _taken(tree: ast.Module) -> Iterator[tuple[int, str]]:
    modules = {"deriva_ml"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_plain(node.module):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in SUPPLIED)
        elif isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if _is_plain(alias.name) and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in SUPPLIED:
            root = ast.unparse(node.value).partition(".")[0]
            if root in modules:
                yield node.lineno, node.attr


def _is_plain(module: str | None) -> bool:
    return (module or "").partition(".")[0] == "deriva_ml"
