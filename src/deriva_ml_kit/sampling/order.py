"""An order of records that depends on nothing but their keys and a seed: each key's rank is a keyed hash of it.

Because the rank of a record never depends on the others, the first k of a set stay first when the set grows, except for
those that newcomers rank before (bottom-k sampling: Cohen & Kaplan, 2007).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b


def rank(key: str, seed: int) -> int:
    """Return the place of a key in the order that a seed makes, as a number of 64 bits."""
    digest = blake2b(key.encode(), digest_size=8, key=str(seed).encode())
    return int.from_bytes(digest.digest(), "big")


def in_order(keys: Iterable[str], seed: int) -> list[str]:
    """Return keys in the order that a seed makes."""
    return sorted(keys, key=lambda key: (rank(key, seed), key))
