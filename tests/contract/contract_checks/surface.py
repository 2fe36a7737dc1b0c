"""Main line's call signatures (facts, from tests/data/deriva-ml-1.54.1.json), by class and method.

In: the recorded surface. Out: for each class the parameters of its methods, a class with its mixins as one.
A parameter is [name, kind, has a default], with the kinds of `inspect.Parameter`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "data" / "deriva-ml-1.54.1.json"
KINDS = {
    "positional_only": inspect.Parameter.POSITIONAL_ONLY,
    "positional_or_keyword": inspect.Parameter.POSITIONAL_OR_KEYWORD,
    "var_positional": inspect.Parameter.VAR_POSITIONAL,
    "keyword_only": inspect.Parameter.KEYWORD_ONLY,
    "var_keyword": inspect.Parameter.VAR_KEYWORD,
}


@dataclass(frozen=True)
class Call:
    """One function, method or property of main line.

    Attributes:
        module: Module that defines it.
        owner: Its class; empty for a function.
        name: Its name.
        kind: `method`, `property`, `classmethod`, `staticmethod` or `function`, as recorded.
        params: Its parameters, `self` left out.
        returns: Its annotation, as text.
    """

    module: str
    owner: str
    name: str
    kind: str
    params: tuple[tuple[str, str, bool], ...]
    returns: str

    @property
    def signature(self) -> inspect.Signature:
        """The parameters as Python's own object."""
        made = [
            inspect.Parameter(name, KINDS[kind], default=None if default else inspect.Parameter.empty)
            for name, kind, default in self.params
        ]
        return inspect.Signature(made)

    @property
    def result(self) -> str | None:
        """Name of the class that it gives, or gives several of; None where it is none of main line's."""
        for name in re.findall(r"[A-Za-z_]\w*", self.returns):
            if name == "Self":
                return self.owner
            if name in methods():
                return str(name)
        return None


@cache
def recorded() -> dict[str, Any]:
    """The file as it is."""
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


@cache
def calls() -> tuple[Call, ...]:
    """Everything that is recorded."""
    found = []
    for key, facts in recorded()["calls"].items():
        module, _, path = key.partition(":")
        owner, _, name = path.rpartition(".")
        params = tuple((n, k, d) for n, k, d in facts.get("params", ()) if n not in ("self", "cls"))
        found.append(
            Call(module, owner, name, facts.get("kind") or "function", params, str(facts.get("returns") or ""))
        )
    return tuple(found)


@cache
def methods() -> Mapping[str, Mapping[str, Call]]:
    """Class -> method -> call; DerivaML with all of its mixins. Functions are under the empty name."""
    found: dict[str, dict[str, Call]] = {}
    for call in calls():
        owner = "DerivaML" if call.module.startswith("deriva_ml.core.mixins.") else call.owner
        found.setdefault(owner, {})[call.name] = call
    return found


@cache
def homes() -> Mapping[str, frozenset[str]]:
    """Class or function -> the modules that define it."""
    found: dict[str, set[str]] = {}
    for key in recorded()["classes"]:
        module, _, name = key.partition(":")
        found.setdefault(name, set()).add(module)
    for call in calls():
        if not call.owner:
            found.setdefault(call.name, set()).add(call.module)
    return {name: frozenset(modules) for name, modules in found.items()}


def fields(name: str) -> list[str]:
    """The fields of a class, in order; empty where it has none."""
    return next((facts["fields"] for key, facts in recorded()["classes"].items() if key.endswith(f":{name}")), [])


def differences(ours: inspect.Signature, call: Call, left_out: Iterable[str] = (), *, method: bool = True) -> list[str]:
    """Why a call that main line takes might not be taken by ours; empty if all are."""
    mine = list(ours.parameters.values())[1 if method else 0 :]
    wanted = [p for p in call.params if p[0] not in set(left_out)]
    names = [p.name for p in mine]
    catches_all = any(p.kind is p.VAR_KEYWORD for p in mine)
    complaints = []
    for name, kind, default in wanted:
        if name not in names:
            if kind == "var_keyword" and catches_all:
                continue
            complaints.append(f"takes no {name}")
            continue
        parameter = mine[names.index(name)]
        if (
            default
            and parameter.default is parameter.empty
            and parameter.kind
            not in (
                parameter.VAR_KEYWORD,
                parameter.VAR_POSITIONAL,
            )
        ):
            complaints.append(f"{name} must be given")
        if kind == "positional_or_keyword" and parameter.kind is parameter.KEYWORD_ONLY:
            complaints.append(f"{name} cannot be given by position")
        if kind == "keyword_only" and parameter.kind is parameter.POSITIONAL_ONLY:
            complaints.append(f"{name} cannot be given by name")
    known = {p[0] for p in wanted}
    complaints += [
        f"asks for {p.name}"
        for p in mine
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in known
    ]
    positional = [p[0] for p in wanted if p[1] == "positional_or_keyword"]
    ordered = [p.name for p in mine if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    if positional != ordered[: len(positional)] and not complaints:
        complaints.append(f"takes them in the order {', '.join(ordered)}, not {', '.join(positional)}")
    return complaints
