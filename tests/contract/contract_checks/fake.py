"""A package `deriva_ml` with main line's modules, classes and signatures, which does nothing: made from the surface."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from contract_checks import surface

DECORATORS = {"property": "@property", "classmethod": "@classmethod", "staticmethod": "@staticmethod"}


def write_package(folder: Path) -> None:
    """Write the package below a folder that then goes onto `sys.path`."""
    texts: dict[str, list[str]] = defaultdict(lambda: ["import enum"])
    calls: dict[tuple[str, str], list[surface.Call]] = defaultdict(list)
    for call in surface.calls():
        calls[call.module, call.owner].append(call)
    for key, facts in surface.recorded()["classes"].items():
        module, _, name = key.partition(":")
        base = (
            "Exception" if module.endswith(".exceptions") else "enum.StrEnum" if facts["bases"] == ["StrEnum"] else ""
        )
        lines = [line for call in calls.pop((module, name), []) for line in _method(call)]
        texts[module] += [f"class {name}({base}):", *(lines or ["    pass"])]
    for (module, owner), found in calls.items():
        if not owner:
            texts[module] += [f"def {call.name}({_parameters(call)}): ..." for call in found]
    for module, lines in texts.items():
        file = folder.joinpath(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    for package in {folder / "deriva_ml", *(path.parent for path in folder.rglob("*.py"))}:
        if package != folder:
            (package / "__init__.py").touch()


def _method(call: surface.Call) -> list[str]:
    decorator = DECORATORS.get(call.kind)
    first = {"classmethod": ["cls"], "staticmethod": []}.get(call.kind, ["self"])
    head = [f"    {decorator}"] if decorator else []
    return [*head, f"    def {call.name}({', '.join([*first, _parameters(call)])}): ...".replace(", )", ")")]


def _parameters(call: surface.Call) -> str:
    return str(call.signature).strip("()")
