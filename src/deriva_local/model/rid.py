"""RIDs: row ids that are unique in a catalog, numbers in base 32 (`1-000S`).

PostgreSQL makes them (`meta.next_rid()` in `store/layout.sql`); here they are read. The first number is 32⁴, hence the
first RID is `1-0000`: shorter RIDs can look like numbers (`12E4`) to programs that read CSV.
"""

from __future__ import annotations

from deriva_local.model import base32

FIRST_NUMBER = 32**4


def encode(number: int) -> str:
    """The RID of a number drawn from the catalog's sequence."""
    return base32.encode(number)


def normalise(text: str) -> str | None:
    """The RID as stored, from what a person may type (`1-000s`); None if `text` cannot be one."""
    try:
        number = base32.decode(text)
    except ValueError:
        return None
    return base32.encode(number)
