"""The model of a new catalog: schema `public` with ERMrest_Client, ERMrest_Group, ERMrest_RID_Lease.

Their ids are fixed, for the tables themselves are part of the database that new catalogs are copied from.
"""

from __future__ import annotations

import dataclasses

from deriva_local.model import FIRST_FREE_ID, SYSTEM_COLUMNS, Acls, Column, Key, Model, Schema, Table, types

_NOT_NULL = ("RID", "RCT", "RMT")
_HIDDEN: Acls = {"insert": [], "update": [], "delete": [], "select": [], "enumerate": []}
_LESSEE = {
    "lessee_access": {
        "types": ["select", "update", "delete"],
        "projection": ["RCB"],
        "projection_type": "acl",
        "scope_acl": ["*"],
    }
}
CATALOG_ACLS = ("owner", "create", "enumerate", "write", "select", "insert", "update", "delete")


def system_columns() -> tuple[Column, ...]:
    """RID, RCT, RMT, RCB, RMB as every table has them."""
    return tuple(
        Column(id=place, name=name, type=types.named(f"ermrest_{name.lower()}"), nullok=name not in _NOT_NULL)
        for place, name in enumerate(SYSTEM_COLUMNS, start=1)
    )


def initial_model(owner: list[str] | None = None) -> Model:
    """The model of a catalog that has just been created for `owner`, a list of client and group ids."""
    builder = _Builder()
    tables = (
        builder.table(
            "ERMrest_Client",
            {"ID": "text", "Display_Name": "text", "Full_Name": "text", "Email": "text", "Client_Object": "jsonb"},
            keys=[("ID",)],
            acls=_HIDDEN,
        ),
        builder.table(
            "ERMrest_Group",
            {"ID": "text", "URL": "text", "Display_Name": "text", "Description": "text"},
            keys=[("ID",)],
            acls=_HIDDEN,
        ),
        dataclasses.replace(
            builder.table(
                "ERMrest_RID_Lease",
                {"ID": "text"},
                keys=[("RCB", "ID")],
                acls={"select": [], "update": [], "delete": []},
            ),
            acl_bindings=_LESSEE,
        ),
    )
    public = Schema("public", tables={table.name: table for table in tables})
    acls = {name: list(owner or []) if name == "owner" else [] for name in CATALOG_ACLS}
    return Model(schemas={"public": public}, acls=acls, next_id=builder.next_id)


class _Builder:
    """Hands out ids in order."""

    def __init__(self) -> None:
        self.next_id = FIRST_FREE_ID

    def table(self, name: str, columns: dict[str, str], keys: list[tuple[str, ...]], acls: Acls) -> Table:
        table_id = self._take()
        own = tuple(
            Column(id=self._take(), name=column, type=types.named(typename), nullok=column != "ID" or len(columns) == 1)
            for column, typename in columns.items()
        )
        every = (*system_columns(), *own)
        ids = {column.name: column.id for column in every}
        made = [Key(self._take(), ("public", f"{name}_RIDkey1"), (ids["RID"],))]
        made += [
            Key(self._take(), ("public", "_".join((name, *key, "key"))), tuple(ids[column] for column in key))
            for key in keys
        ]
        return Table(table_id, "public", name, every, keys=tuple(made), acls=acls)

    def _take(self) -> int:
        self.next_id += 1
        return self.next_id - 1
