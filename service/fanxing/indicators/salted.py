"""Salted names: tokens as 16 bytes that differ from institution to institution and from kind to kind.

The salt is the institution's id. It hides nothing from who holds the log, where the tokens stand in clear: it keeps
the graphs of two institutions from being laid over each other, and makes names of one short length.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

NAME = np.dtype("S16")


def salted(institution_id: str, named: Iterable[tuple[str, str]]) -> np.ndarray:
    """The names of (kind, token) pairs, in their order: (n,) NAME.

    BLAKE2b of 16 bytes, keyed with the institution and personalised with the kind, of at most 16 bytes.
    """
    key = blake2b(institution_id.encode()).digest()
    hashes = {
        kind: blake2b(digest_size=NAME.itemsize, key=key, person=kind.encode())
        for kind in ("payer", "merchant", "controller", "device")
    }
    names = bytearray()
    for kind, token in named:
        one = hashes[kind].copy()
        one.update(token.encode())
        names += one.digest()
    return np.frombuffer(bytes(names), NAME)
