"""The symbol that stands for the vectors of one observation (kato-api 4).

The name is ``VCTR|`` and the sha1 of the sum as numpy prints it. Every recorded name comes
out right; the layout of long or very uneven vectors follows numpy's published rules and was
not compared with recordings.
"""

import hashlib
import math
import operator
from functools import reduce

from kato_tasks.devserver.failures import ServerError

Vector = list[float]

_DIGITS = 8
_LINE = 74
_SUMMARISED_FROM = 1001
_EDGE = 3
_LARGEST_PLAIN = 1e8
_SMALLEST_PLAIN = 1e-4
_WIDEST_PLAIN_RATIO = 1000.0


def summed(vectors: list[Vector]) -> Vector:
    """The sum of ``vectors`` (at least one).

    Raises:
        ServerError: The vectors have different lengths.
    """
    if len({len(vector) for vector in vectors}) != 1:
        raise ServerError
    # Added one after the other, as numpy does: sum() corrects roundings since Python 3.12.
    return [reduce(operator.add, column) for column in zip(*vectors, strict=True)]


def symbol_of(vector: Vector) -> str:
    """The name of a vector."""
    digest = hashlib.sha1(_printed(vector).encode(), usedforsecurity=False).hexdigest()
    return f"VCTR|{digest}"


def _printed(vector: Vector) -> str:
    long = len(vector) >= _SUMMARISED_FROM
    shown = vector[:_EDGE] + vector[-_EDGE:] if long else vector
    words = _words(shown)
    if long:
        words.insert(_EDGE, "...")
    lines, line = [], " "
    for word in words:
        if len(line) > 1 and len(line) + len(word) > _LINE:
            lines.append(line.rstrip())
            line = " "
        line += word + " "
    lines.append(line[:-1] if words else line)
    return "[" + "\n".join(lines)[1:] + "]"


def _words(vector: Vector) -> list[str]:
    """Print the numbers in equally wide columns, as numpy does."""
    scientific = _is_uneven([abs(x) for x in vector if x and math.isfinite(x)])
    parts = [_scientific(x) if scientific else _plain(x) for x in vector]
    left = max((len(whole) for whole, _, _ in parts), default=0)
    right = max((len(rest) for _, rest, _ in parts), default=0)
    fill = "0" if scientific else " "
    return [f"{whole.rjust(left)}.{rest.ljust(right, fill)}{power}" for whole, rest, power in parts]


def _is_uneven(sizes: Vector) -> bool:
    if not sizes:
        return False
    low, high = min(sizes), max(sizes)
    return high >= _LARGEST_PLAIN or low < _SMALLEST_PLAIN or high / low > _WIDEST_PLAIN_RATIO


def _plain(number: float) -> tuple[str, str, str]:
    text = repr(number)
    if "e" in text or len(text.partition(".")[2]) > _DIGITS:
        text = f"{number:.{_DIGITS}f}"
    whole, _, rest = text.partition(".")
    return whole, rest.rstrip("0"), ""


def _scientific(number: float) -> tuple[str, str, str]:
    mantissa, _, power = f"{number:.{_DIGITS}e}".partition("e")
    whole, _, rest = mantissa.partition(".")
    return whole, rest.rstrip("0"), f"e{power}"
