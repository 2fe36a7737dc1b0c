"""Crockford's base 32, as ERMrest writes numbers: RIDs and snapshot ids.

In: a non-negative integer. Out: upper-case digits in groups of four counted from the right, without leading zeros
(`1-000S`). Reading is forgiving, as Crockford asks: lower case, and `O`, `I`, `L` for `0`, `1`, `1`.
"""

from __future__ import annotations

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {digit: value for value, digit in enumerate(DIGITS)} | {"O": 0, "I": 1, "L": 1}


def encode(number: int) -> str:
    """`number` in base 32, grouped by four from the right."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 32)
        digits = DIGITS[rest] + digits
    first = len(digits) % 4 or 4
    groups = [digits[:first], *(digits[at : at + 4] for at in range(first, len(digits), 4))]
    return "-".join(groups)


def decode(text: str) -> int:
    """The number that `text` writes; dashes carry no meaning. `ValueError` if it is not base 32."""
    digits = text.replace("-", "").upper()
    if not digits or not digits.isascii():
        raise ValueError(f"{text!r} is not base 32")
    number = 0
    for digit in digits:
        if digit not in _VALUES:
            raise ValueError(f"{text!r} is not base 32: {digit!r} is no digit of it")
        number = number * 32 + _VALUES[digit]
    return number
