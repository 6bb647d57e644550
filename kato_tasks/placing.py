"""On which instance a node is placed: weighted rendezvous hashing, the same in every process.

Patterns live per node on an instance, so all sessions of one folded node go together. When an
instance is added, or its weight changes, only nodes change their place that move to it, or away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from kato_tasks.naming import fold_node

_DIGEST: Final = 8
_RANGE: Final = 2.0 ** (8 * _DIGEST)


def place(node: str, weights: Mapping[str, float]) -> str:
    """Return the instance for a node.

    Args:
        node: The node.
        weights: The instances that there are, at least one; each gets a share of all nodes that
            is as large as its weight among them. Weights are more than 0.
    """
    folded = fold_node(node)
    return max(weights, key=lambda name: _score(name, folded, weights[name]))


def _score(name: str, folded: str, weight: float) -> tuple[float, bytes]:
    digest = blake2b(f"{name}\0{folded}".encode(), digest_size=_DIGEST).digest()
    # Between 0 and 1, neither of both.
    drawn = (int.from_bytes(digest) + 0.5) / _RANGE
    return -weight / math.log(min(drawn, 1 - 2**-53)), digest
