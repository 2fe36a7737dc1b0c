"""The DerivaML calls of a Python source, bound to main line's signatures.

In: source text. Out: for each call whose receiver's class can be told, that class, the method, and why main line would
not take the call (if so). Classes are told from annotations, from constructors, from what main line's methods return,
and in documents from the names `ml`, `exe`, `bag`, `dataset`. Nothing is run.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from contract_checks import surface
from contract_checks.surface import Call
from deriva_ml_kit.mainline import generation

CLASSES = {name for names in generation.HOMES.values() for name in names if name in surface.methods()}
# Arguments that functions of ours with main line's names take in addition.
FURTHER = {"split_dataset": {"group_by", "reuse"}, "subsample": {"group_by"}}
# Attributes of our own objects that hold one of main line's.
ATTRIBUTES = {"_ml": "DerivaML", "_ml_object": "DerivaML", "ml": "DerivaML"}
CONTAINERS = ("Iterable", "Iterator", "Sequence", "Collection", "Generator", "list", "tuple", "set", "Mapping", "dict")
# What hands out the objects of the container that it is given.
PASSES_ON = {"list", "sorted", "tuple", "iter", "reversed"}


@dataclass(frozen=True)
class Kind:
    """A class of main line, or several objects of it."""

    name: str
    many: bool = False


@dataclass(frozen=True)
class Bound:
    """A call of main line's API.

    Attributes:
        line: Where it stands.
        owner: Class of the receiver; empty for a function.
        name: Method; `__init__` for a constructor.
        complaint: Why main line would not take it; None if it does, or has no such method.
        known: Whether main line has that method.
    """

    line: int
    owner: str
    name: str
    complaint: str | None
    known: bool


def bound_calls(source: str, customary: Mapping[str, str] = MappingProxyType({})) -> list[Bound]:
    """All calls of main line's API in a source, in the order of their lines.

    Args:
        source: Python.
        customary: What the names of the module mean where it does not say so: name -> class.
    """
    tree = ast.parse(source)
    finder = _Finder(_imported(tree), {name: Kind(kind) for name, kind in customary.items()})
    finder.visit(tree)
    return sorted(finder.found, key=lambda bound: bound.line)


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> name in main line, of what is imported from the kit or from the library."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("deriva_ml", "deriva_ml_kit")
        for alias in node.names
    }


class _Finder(ast.NodeVisitor):
    """Walks through a module; `kinds` holds what is known of the names in the function being read."""

    def __init__(self, imported: Mapping[str, str], kinds: dict[str, Kind]) -> None:
        self.imported = imported
        self.kinds = kinds
        self.functions: dict[str, Kind] = {}
        self.found: list[Bound] = []

    @contextlib.contextmanager
    def inner(self) -> Iterator[None]:
        """A scope of its own, which sees the outer names."""
        outer, self.kinds = self.kinds, dict(self.kinds)
        try:
            yield
        finally:
            self.kinds = outer

    def learn(self, target: ast.expr, kind: Kind | None) -> None:
        for name in _names(target):
            self.kinds.pop(name, None)
        if isinstance(target, ast.Name) and kind:
            self.kinds[target.id] = kind

    # -- statements that name things

    def visit_Module(self, node: ast.Module) -> None:
        for part in ast.walk(node):  # functions are called before they stand in the file
            if isinstance(part, ast.FunctionDef) and (kind := self.annotated(part.returns)):
                self.functions[part.name] = kind
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        with self.inner():
            for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                if argument.annotation is not None:
                    self.learn(ast.Name(argument.arg), self.annotated(argument.annotation))
            self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [self.imported.get(base.id, "") for base in node.bases if isinstance(base, ast.Name)]
        own = next((base for base in bases if base in CLASSES), None)
        with self.inner():
            self.learn(ast.Name("self"), Kind(own) if own else None)
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name | ast.Tuple):
                self.learn(target, self.kind(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name):
            self.learn(node.target, self.annotated(node.annotation))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.learn(node.target, self.kind(node.value))

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.learn(item.optional_vars, self.kind(item.context_expr))
        for part in node.body:
            self.visit(part)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.learn(node.target, self.element(node.iter))
        for part in [*node.body, *node.orelse]:
            self.visit(part)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        with self.inner():
            for part in node.generators:
                self.learn(part.target, self.element(part.iter))
            self.generic_visit(node)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    # -- calls

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if (target := self.target(node.func)) is None:
            return
        owner, name = target
        call = surface.methods().get(owner, {}).get(name)
        complaint = None
        starred = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        if call is not None and not starred:
            try:
                named = {str(keyword.arg): keyword.value for keyword in node.keywords}
                further = FURTHER.get(name, set()) if not owner else set()
                call.signature.bind(*node.args, **{key: named[key] for key in named.keys() - further})
            except TypeError as error:
                complaint = str(error)
        self.found.append(Bound(node.lineno, owner, name, complaint, call is not None))

    def target(self, function: ast.expr) -> tuple[str, str] | None:
        """Class and method that a call means."""
        match function:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"), args=[]), attr=name) if "self" in self.kinds:
                return self.kinds["self"].name, name
            case ast.Attribute(value=ast.Name(id=variable), attr=name) if self.imported.get(variable) in CLASSES:
                return self.imported[variable], name
            case ast.Attribute(value=value, attr=name):
                kind = self.kind(value)
                return (kind.name, name) if kind and not kind.many else None
            case ast.Name(id=name) if self.imported.get(name) in CLASSES:
                known = self.imported[name]
                return (known, "__init__") if "__init__" in surface.methods()[known] else None
            case ast.Name(id=name) if self.imported.get(name) in surface.methods()[""]:
                return "", self.imported[name]
        return None

    # -- what an expression is

    def kind(self, node: ast.expr) -> Kind | None:
        match node:
            case ast.Name(id=name):
                return self.kinds.get(name)
            case ast.Attribute():
                return self.attribute_kind(node)
            case ast.Call():
                return self.call_kind(node)
            case ast.Subscript(value=value):
                return self.element(value)
            case ast.NamedExpr(value=value):
                return self.kind(value)
        return None

    def element(self, node: ast.expr) -> Kind | None:
        kind = self.kind(node)
        return Kind(kind.name) if kind and kind.many else None

    def attribute_kind(self, node: ast.Attribute) -> Kind | None:
        if isinstance(node.value, ast.Name) and node.value.id == "self" and "self" not in self.kinds:
            return Kind(ATTRIBUTES[node.attr]) if node.attr in ATTRIBUTES else None
        owner = self.kind(node.value)
        call = surface.methods()[owner.name].get(node.attr) if owner and not owner.many else None
        return _result(call) if call and call.kind == "property" else None

    def call_kind(self, node: ast.Call) -> Kind | None:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[inner, *_]) if name in PASSES_ON:
                return self.kind(inner)
            case ast.Call(func=ast.Name(id="next"), args=[inner, *_]):
                return self.element(inner)
            case ast.Call(func=ast.Name(id=name)) if self.imported.get(name) in CLASSES:
                return Kind(self.imported[name])
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                return self.functions[name]
        target = self.target(node.func)
        call = surface.methods().get(target[0], {}).get(target[1]) if target else None
        return _result(call) if call else None

    def annotated(self, node: ast.expr | None) -> Kind | None:
        if node is None:
            return None
        text = ast.unparse(node).strip("'\"")
        found = [self.imported[name] for name in _names(ast.parse(text, mode="eval")) if name in self.imported]
        name = next((name for name in found if name in CLASSES), None)
        return Kind(name, many=text.startswith(CONTAINERS)) if name else None


def _result(call: Call) -> Kind | None:
    name = call.result
    return Kind(name, many=call.returns.strip("'\"").startswith(CONTAINERS)) if name in CLASSES else None


def _names(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))
