"""Which value belongs to which event, by DuckDB: the same as `columnar`, for more rows than memory is good for.

DuckDB's ASOF join picks any of several values with the same time; so only one of them is let into it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deriva_ml_kit.numerics.asof.columnar import NONE, Integers, TiedRows, Values

TIED = """
    SELECT unnest(list(row)) AS row FROM held GROUP BY code, time, known, rank HAVING count(*) > 1
"""
ONE_EACH = """
    CREATE TEMP TABLE newest AS
    SELECT code, time AS available, arg_max(row, rank) AS row FROM held GROUP BY code, time
"""
# The best of a key so far, among all that are available by then.
BEST_SO_FAR = """
    CREATE TEMP TABLE newest AS
    WITH placed AS (
        SELECT code, greatest(time, known) AS available, row,
               row_number() OVER (PARTITION BY code ORDER BY time, known, rank) AS place
        FROM held
    ), best AS (
        SELECT code, available, max(max(place)) OVER (PARTITION BY code ORDER BY available) AS place
        FROM placed GROUP BY code, available
    )
    SELECT best.code, best.available, placed.row FROM best JOIN placed USING (code, place)
"""
JOIN = """
    SELECT asked.row AS event, newest.row AS row
    FROM asked ASOF JOIN newest ON asked.code = newest.code AND asked.time >= newest.available
"""


def rows_of(code: Integers, time: Integers, values: Values) -> Integers:
    """See `columnar.rows_of`."""
    import duckdb  # noqa: PLC0415  (comes with the extra `ops`)

    with duckdb.connect() as connection:
        known = values.time if values.known is None else values.known
        held = {"code": values.code, "time": values.time, "known": known, "rank": np.zeros_like(values.code)}
        _table(connection, "held", held)
        tied = connection.execute(TIED).fetchnumpy()["row"]
        if len(tied):
            rows = np.sort(np.asarray(tied, dtype=np.int64))
            if values.tie_break is None:
                raise TiedRows(rows)
            _, rank = np.unique(values.tie_break(rows), return_inverse=True)
            _table(connection, "ranks", {"held_row": rows, "place": rank.astype(np.int64)})
            connection.execute("UPDATE held SET rank = place FROM ranks WHERE held.row = held_row")
            still = connection.execute(TIED).fetchnumpy()["row"]
            if len(still):
                raise TiedRows(np.sort(np.asarray(still, dtype=np.int64)))
        connection.execute(ONE_EACH if values.known is None else BEST_SO_FAR)
        _table(connection, "asked", {"code": code, "time": time})
        joined = connection.execute(JOIN).fetchnumpy()
    found = np.full(len(code), NONE, dtype=np.int64)
    found[np.asarray(joined["event"])] = np.asarray(joined["row"])
    return found


def _table(connection: Any, name: str, columns: dict[str, Integers]) -> None:
    """A table of integers, with the number of each row."""
    import pandas as pd  # noqa: PLC0415  (takes half a second)

    frame = pd.DataFrame({**columns, "row": np.arange(len(next(iter(columns.values()))))}, copy=False)
    connection.register("given", frame)
    connection.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM given")
    connection.unregister("given")
