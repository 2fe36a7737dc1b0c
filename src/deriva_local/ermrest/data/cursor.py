"""Walks the tokens of one path element: the part of a recursive descent parser that knows no language."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from deriva_local.ermrest.data.tokens import END, NAME, Token
from deriva_local.errors import BadRequest

_T = TypeVar("_T")


class Cursor:
    """A place among the tokens of `path`, the last of which is an END."""

    def __init__(self, path: str, tokens: list[Token]) -> None:
        self.path = path
        self._tokens = tokens
        self._at = 0

    def whole(self, part: Callable[[], _T]) -> _T:
        """What `part` reads, if it reads to the end."""
        found = part()
        if self.peek() != END:
            raise self.unexpected("the end of the path element")
        return found

    def peek(self, ahead: int = 0) -> str:
        """The kind of the next token, or of one further on."""
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)].kind

    def text(self) -> str:
        """The text of the next token."""
        return self._tokens[self._at].text

    def skip(self, count: int = 1) -> None:
        """Step over tokens that have been peeked at."""
        self._at += count

    def accept(self, kind: str) -> bool:
        """Step over the next token if it is of this kind."""
        if self.peek() == kind:
            self._at += 1
            return True
        return False

    def expect(self, kind: str, wanted: str) -> Token:
        """The next token, which must be of this kind."""
        token = self._tokens[self._at]
        if not self.accept(kind):
            raise self.unexpected(wanted)
        return token

    def name(self, wanted: str = "a name") -> str:
        """The next token, which must be a name."""
        return self.expect(NAME, wanted).text

    def list_of(self, one: Callable[[], _T]) -> tuple[_T, ...]:
        """One or more, with commas between them."""
        found = [one()]
        while self.accept(","):
            found.append(one())
        return tuple(found)

    def unexpected(self, wanted: str) -> BadRequest:
        """The error at this place."""
        token = self._tokens[self._at]
        found = "the end" if token.kind == END else repr(token.text)
        return BadRequest(f"Expected {wanted} at position {token.position} of {self.path!r}, found {found}.")
