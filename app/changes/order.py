"""Places in an ordered list: keys of digits and small letters that sort as text and leave room between any two.

A key is read as a fraction in base 36 without trailing zeros, so a key between two others always exists.
"""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 64
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE = len(_DIGITS)
_WIDTH = 6
_STEP = _BASE**2


def between(low: str | None, high: str | None) -> str:
    """A key after `low` and before `high`; None stands for the ends of the list.

    Raises ValueError unless low < high. The key may be longer than LONGEST: then the list wants new keys.
    """
    if low is not None and high is not None and low >= high:
        raise ValueError(f"{low!r} is not before {high!r}")
    if high is None:
        return _beyond(low, _STEP) if low is not None else _DIGITS[_BASE // 2]
    return _middle(low, high) if low is not None else _beyond(high, -_STEP)


def spread(count: int) -> Iterator[str]:
    """`count` short keys in order, with room between them."""
    step = _BASE**_WIDTH // (count + 1)
    return (_text((i + 1) * step) for i in range(count))


def _beyond(key: str, step: int) -> str:
    """A key one step outside the end of the list that `key` stands at, on the side of the step's sign."""
    number = int(key[:_WIDTH].ljust(_WIDTH, "0"), _BASE) + step
    if 0 < number < _BASE**_WIDTH:
        return _text(number)
    return _middle(key, "") if step > 0 else _middle("", key)


def _middle(low: str, high: str) -> str:
    """The shortest fraction near the middle; an empty `high` stands for 1."""
    common = 0
    while high and common < len(high) and low[common : common + 1].ljust(1, "0") == high[common]:
        common += 1
    if common:
        return high[:common] + _middle(low[common:], high[common:])
    first = _DIGITS.index(low[0]) if low else 0
    last = _DIGITS.index(high[0]) if high else _BASE
    if last - first > 1:
        return _DIGITS[(first + last) // 2]
    if len(high) > 1:
        return high[0]
    return _DIGITS[first] + _middle(low[1:], "")


def _text(number: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, _BASE)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)).rjust(_WIDTH, "0").rstrip("0")
