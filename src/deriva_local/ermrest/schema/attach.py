"""Annotations, comments, ACLs and ACL bindings of any element: what GET reads, PUT sets, DELETE takes away.

In: a `Model`, an address with a part, and the new content. Out: content, or a new `Model`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deriva_local.ermrest.schema import definitions
from deriva_local.ermrest.schema.address import Address
from deriva_local.ermrest.schema.elements import Element, element_of, replaced
from deriva_local.errors import BadRequest, Conflict, MethodNotAllowed, NotFound
from deriva_local.model import Acls, Column, ForeignKey, Json, Model, Schema, Table
from deriva_local.model.initial import CATALOG_ACLS

# Part of an address to the field that holds it.
_FIELDS = {"annotation": "annotations", "acl": "acls", "acl_binding": "acl_bindings"}
_ACL_NAMES: Mapping[type, tuple[str, ...]] = {
    Model: CATALOG_ACLS,
    Schema: CATALOG_ACLS,
    Table: ("owner", "enumerate", "write", "select", "insert", "update", "delete"),
    Column: ("enumerate", "write", "select", "insert", "update"),
    ForeignKey: ("insert", "update"),
}
_OPEN_TO_ALL = ("enumerate", "select")


def read(model: Model, address: Address) -> Json:
    """The content of the part; `NotFound` if it has no such entry."""
    element = element_of(model, address)
    if address.part == "comment":
        comment = _comment(element)
        if comment is None:
            raise NotFound("There is no comment.")
        return comment
    entries = _entries(element, address)
    if address.part_name is None:
        return dict(entries)
    _check_is_there(element, address, entries)
    return entries.get(address.part_name)  # an ACL that is not set is null


def write(model: Model, address: Address, content: Json) -> Model:
    """Replace one entry, or all of them."""
    element = element_of(model, address)
    if address.part == "comment":
        _comment(element)
        return replaced(model, address, comment=definitions.comment(content))
    entries = _entries(element, address)
    if address.part_name is None:
        changed = _READ_ALL[str(address.part)](content)
        if address.part == "acl" and isinstance(element, Model):
            changed = {**_nobody(), **changed}
        if address.part == "acl" and isinstance(element, ForeignKey):
            changed = {**definitions.REFERENCE_ACLS, **changed}
    elif address.part == "acl" and content is None:
        check_acls(type(element), {address.part_name: []})
        return _with_entries(model, address, element, _without(entries, address, element))
    else:
        changed = {**entries, address.part_name: _READ_ONE[str(address.part)](address.part_name, content)}
    return _with_entries(model, address, element, changed)


def remove(model: Model, address: Address) -> Model:
    """Take away one entry, or all of them."""
    element = element_of(model, address)
    if address.part == "comment":
        read(model, address)
        return replaced(model, address, comment=None)
    entries = _entries(element, address)
    if address.part_name is not None:
        _check_is_there(element, address, entries)
    return _with_entries(model, address, element, _without(entries, address, element))


def _check_is_there(element: Element, address: Address, entries: Mapping[str, Json]) -> None:
    """`NotFound` unless the element has such an annotation or binding, or can have such an ACL."""
    names = _ACL_NAMES[type(element)] if address.part == "acl" else entries
    if address.part_name not in names:
        raise NotFound(f"There is no {address.part} {address.part_name!r}.")


def exists(model: Model, address: Address) -> bool:
    """Whether the part has the entry that the address names."""
    return address.part_name in _entries(element_of(model, address), address)


def check_acls(element_type: type, acls: Acls) -> None:
    """Raise for ACL names that such elements do not have (`Conflict`), and for `*` where it may not stand."""
    known = _ACL_NAMES[element_type]
    for name, entries in acls.items():
        if name not in known:
            raise Conflict(f"There is no ACL {name!r} here; there are {', '.join(known)}.")
        if "*" in entries and name not in _OPEN_TO_ALL and element_type is not ForeignKey:
            raise BadRequest(f'ACL {name!r} cannot hold "*": nobody who is not logged in may change a catalog.')


def _with_entries(model: Model, address: Address, element: Element, entries: Mapping[str, Json]) -> Model:
    if address.part == "acl":
        check_acls(type(element), entries)
    return replaced(model, address, **{_FIELDS[str(address.part)]: dict(entries)})


def _without(entries: Mapping[str, Json], address: Address, element: Element) -> dict[str, Json]:
    """The entries but the one that the address names, or none if it names none."""
    rest = {name: entry for name, entry in entries.items() if address.part_name not in (None, name)}
    return {**_nobody(), **rest} if address.part == "acl" and isinstance(element, Model) else rest


def _nobody() -> dict[str, Json]:
    """A catalog's ACLs where nothing is granted: they are empty, never unset."""
    return {name: [] for name in CATALOG_ACLS}


def _entries(element: Element, address: Address) -> Mapping[str, Json]:
    entries = getattr(element, _FIELDS[str(address.part)], None)
    if entries is None:
        raise NotFound(f"A {address.kind} has no {address.part}.")
    return entries  # type: ignore[no-any-return]


def _comment(element: Element) -> str | None:
    if isinstance(element, Model):
        raise MethodNotAllowed("A catalog has no comment.")
    return element.comment


_READ_ALL: Mapping[str, Callable[[Json], dict[str, Json]]] = {
    "annotation": definitions.annotation_map,
    "acl": definitions.acls,
    "acl_binding": definitions.bindings,
}
_READ_ONE: Mapping[str, Callable[[str, Json], Json]] = {
    "annotation": lambda _, content: content,
    "acl": definitions.acl,
    "acl_binding": definitions.binding,
}
