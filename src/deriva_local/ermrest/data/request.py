"""Parses the percent-encoded path of a data resource into a syntax tree.

In: `attribute/A:=isa:Image/RID=1-000S/isa:Subject/id:=A:RID,name@sort(id)`. Out: a `Resource`. Any text whatever
gives either a tree or a `BadRequest` that tells the position. The language is ERMrest's ("Data Resource Naming" in
its documentation).
"""

from __future__ import annotations

from collections.abc import Callable

from deriva_local.ermrest.data.cursor import Cursor
from deriva_local.ermrest.data.syntax import (
    Bin,
    Call,
    ColumnLink,
    ColumnRef,
    Comparison,
    Condition,
    Element,
    EndpointLink,
    Filter,
    IsNull,
    Item,
    Junction,
    Negation,
    Reset,
    Resource,
    SortKey,
    TableLink,
    TableRef,
    Wildcard,
)
from deriva_local.ermrest.data.tokens import END, NAME, Token, tokenize
from deriva_local.errors import BadRequest

APIS = ("entity", "attribute", "attributegroup", "aggregate")
FUNCTIONS = frozenset({"min", "max", "avg", "sum", "cnt", "cnt_d", "array", "array_d", "trs", "tcrs"})
_COMPARISONS = frozenset({"=", "::lt::", "::leq::", "::gt::", "::geq::", "::regexp::", "::ciregexp::", "::ts::"})
_OUTER_JOINS = frozenset({"left", "right", "full"})
_DEEPEST = 64  # levels of parentheses
PageKey = tuple[str | None, ...]


def parse(path: str) -> Resource:
    """The tree of a data resource's path (`entity/…`); `BadRequest` if it cannot be read."""
    first, *segments, modifiers = _segments(path)
    api = first.whole(first.name)
    if api not in APIS:
        raise BadRequest(f"{api!r} is not one of {', '.join(APIS)}.")
    if len(segments) < (1 if api == "entity" else 2):
        raise BadRequest(f"{path!r} is incomplete: {_SHAPES[api]}.")
    keys: tuple[Item, ...] = ()
    items: tuple[Item, ...] = ()
    if api != "entity":
        last = segments.pop()
        keys, items = last.whole(last.groups if api == "attributegroup" else last.projection)
    elements = (segments[0].whole(segments[0].root), *(segment.whole(segment.element) for segment in segments[1:]))
    sort, before, after = modifiers.whole(modifiers.modifiers)
    return Resource(api, elements, keys, items, sort, before, after)


_SHAPES = {
    "entity": "entity/ needs a table",
    "attribute": "attribute/ needs a table and a projection, such as attribute/isa:Image/RID,name",
    "attributegroup": "attributegroup/ needs a table and group keys, such as attributegroup/isa:Image/name;n:=cnt(*)",
    "aggregate": "aggregate/ needs a table and aggregates, such as aggregate/isa:Image/n:=cnt(*)",
}


def _segments(path: str) -> list[_Segment]:
    """The path cut at its slashes, none of which can be in parentheses; the last segment begins at the first `@`."""
    parts: list[list[Token]] = [[]]
    modified = False
    for token in tokenize(path):
        cut = token.kind == "/" or (token.kind == "@" and not modified)
        if cut:
            parts[-1].append(Token(END, "", token.position))
            parts.append([])
        if token.kind == "@":
            modified = True
        if token.kind != "/":
            parts[-1].append(token)
    parts[-1].append(Token(END, "", len(path)))
    if not modified:
        parts.append([Token(END, "", len(path))])
    return [_Segment(path, tokens) for tokens in parts]


class _Segment(Cursor):
    """Recursive descent over what stands between two slashes."""

    def __init__(self, path: str, tokens: list[Token]) -> None:
        super().__init__(path, tokens)
        self._depth = 0

    # Path elements

    def root(self) -> Element:
        """The first element: a table."""
        alias = self._alias()
        return TableLink(self._table(), alias)

    def element(self) -> Element:
        """A further element: context reset, link or filter."""
        if self.accept("$"):
            return Reset(self.name("an alias"))
        alias = self._alias()
        if self._is_outer_join() or self._is_column_list():
            return self._column_link(alias)
        if alias is not None or self._is_table():
            return TableLink(self._table(), alias)
        return Filter(self._disjunction())

    def _alias(self) -> str | None:
        if self.peek() == NAME and self.peek(1) == ":=":
            alias = self.name()
            self.skip()
            return alias
        return None

    def _table(self) -> TableRef:
        first = self.name("a table")
        return TableRef(first, self.name("a table")) if self.accept(":") else TableRef(None, first)

    def _is_table(self) -> bool:
        """Whether there is a table's name and nothing else."""
        length = 3 if self.peek(1) == ":" else 1
        return self.peek() == NAME and self.peek(length) == END

    def _is_outer_join(self) -> bool:
        return self.text() in _OUTER_JOINS and self.peek() == NAME and self.peek(1) == "("

    def _is_column_list(self) -> bool:
        """Whether parentheses enclose columns, not a condition."""
        ahead = 1
        while self.peek(ahead) in (NAME, ":", ","):
            ahead += 1
        return self.peek() == "(" and self.peek(ahead) == ")" and ahead > 1 and self.peek(ahead + 1) in (END, "=")

    def _column_link(self, alias: str | None) -> Element:
        join = self.name() if self.peek() == NAME else "inner"
        left = self._column_list()
        if join == "inner" and self.peek() == END:
            return EndpointLink(left, alias)
        self.expect("=", "'='")
        return ColumnLink(left, self._column_list(), join, alias)

    def _column_list(self) -> tuple[ColumnRef, ...]:
        self.expect("(", "'('")
        columns = self.list_of(self._column)
        self.expect(")", "')'")
        return columns

    def _column(self) -> ColumnRef:
        names = [self.name("a column")]
        while len(names) < 3 and self.accept(":"):
            names.append(self.name("a column"))
        return ColumnRef(tuple(names))

    def _column_or_wildcard(self) -> ColumnRef | Wildcard:
        if self.accept("*"):
            return Wildcard()
        if self.peek() == NAME and self.peek(1) == ":" and self.peek(2) == "*":
            alias = self.name()
            self.skip(2)
            return Wildcard(alias)
        return self._column()

    # Conditions

    def _disjunction(self) -> Condition:
        return self._junction("or", ";", lambda: self._junction("and", "&", self._negation))

    def _junction(self, kind: str, mark: str, one: Callable[[], Condition]) -> Condition:
        operands = [one()]
        while self.accept(mark):
            operands.append(one())
        return operands[0] if len(operands) == 1 else Junction(kind, tuple(operands))

    def _negation(self) -> Condition:
        if self.accept("!"):
            return Negation(self._group() if self.peek() == "(" else self._predicate())
        return self._group() if self.peek() == "(" else self._predicate()

    def _group(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadRequest(f"{self.path!r} nests more than {_DEEPEST} levels of parentheses.")
        self.expect("(", "'('")
        condition = self._disjunction()
        self.expect(")", "')'")
        self._depth -= 1
        return condition

    def _predicate(self) -> Condition:
        column = self._column_or_wildcard()
        if isinstance(column, ColumnRef) and self.accept("::null::"):
            return IsNull(column)
        operator = self.peek()
        if operator not in _COMPARISONS:
            raise self.unexpected("an operator such as = or ::gt::")
        self.skip()
        if self.peek() == NAME and self.peek(1) == "(":
            return self._quantified(column, operator)
        return Comparison(column, operator, (self._value(),))

    def _quantified(self, column: ColumnRef | Wildcard, operator: str) -> Condition:
        if self.text() not in ("any", "all"):
            raise self.unexpected("any(…) or all(…)")
        quantifier = self.name()
        self.skip()
        values = self.list_of(self._value)
        self.expect(")", "')'")
        return Comparison(column, operator, values, quantifier)

    def _value(self) -> str:
        """A literal; nothing at all is the empty text."""
        return self.name() if self.peek() == NAME else ""

    # Projections

    def projection(self) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """No group keys, and the items."""
        return (), self.list_of(self._item)

    def groups(self) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Group keys, and perhaps items after a semicolon."""
        keys = self.list_of(self._item)
        return keys, self.list_of(self._item) if self.accept(";") else ()

    def _item(self) -> Item:
        name = self._alias()
        if self.peek() == NAME and self.peek(1) == "(":
            return Item(self._call(), name)
        return Item(self._column_or_wildcard(), name)

    def _call(self) -> Call | Bin:
        function = self.text()
        if function not in FUNCTIONS and function != "bin":
            raise self.unexpected(f"one of the functions bin, {', '.join(sorted(FUNCTIONS))}")
        self.skip(2)
        found: Call | Bin
        if function == "bin":
            found = Bin(self._column(), *(self._bin_argument() for _ in range(3)))
        else:
            found = Call(function, self._column_or_wildcard())
        self.expect(")", "')'")
        return found

    def _bin_argument(self) -> str:
        self.expect(";", "';'")
        return self.name("a number")

    # Modifiers

    def modifiers(self) -> tuple[tuple[SortKey, ...], PageKey | None, PageKey | None]:
        """`@sort(…)`, `@before(…)` and `@after(…)`, each at most once."""
        sort: tuple[SortKey, ...] = ()
        pages: dict[str, PageKey] = {}
        while self.accept("@"):
            token = self.expect(NAME, "sort, before or after")
            self.expect("(", "'('")
            if token.text == "sort" and not sort:
                sort = self.list_of(self._sort_key)
            elif token.text in ("before", "after") and token.text not in pages:
                pages[token.text] = self.list_of(self._page_value)
            else:
                raise BadRequest(f"@{token.text} at position {token.position} of {self.path!r} is unknown or repeated.")
            self.expect(")", "')'")
        return sort, pages.get("before"), pages.get("after")

    def _sort_key(self) -> SortKey:
        return SortKey(self.name("an output column"), descending=self.accept("::desc::"))

    def _page_value(self) -> str | None:
        return None if self.accept("::null::") else self._value()
