"""The SQL that makes an empty catalog's database: `layout.sql`, then the tables of the initial model.

`fingerprint()` names the result, so that a later version of this program does not copy an earlier version's template.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import psycopg
from psycopg import sql

from deriva_local.model import Model, base32, rid, stored
from deriva_local.model.initial import initial_model
from deriva_local.store import ddl


def create(connection: psycopg.Connection) -> None:
    """Make schemas, functions and the tables of the initial model in an empty database."""
    connection.execute(_layout().encode())
    connection.execute(sql.SQL("; ").join(ddl.changes(Model(), initial_model())))


def fingerprint() -> str:
    """Twelve hexadecimal digits that change whenever the layout does."""
    statements = [statement.as_string(None) for statement in ddl.changes(Model(), initial_model())]
    whole = "\n".join([_layout(), *statements, json.dumps(stored.to_json(initial_model()))])
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def _layout() -> str:
    text = resources.files(__package__).joinpath("layout.sql").read_text(encoding="utf-8")
    pairs = "".join(high + low for high in base32.DIGITS for low in base32.DIGITS)
    return text.format(first_rid=rid.FIRST_NUMBER, digit_pairs=pairs)
