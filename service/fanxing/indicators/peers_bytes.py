"""Peers as bytes: what is published, and read again by every process.

Little endian: MAGIC (8 bytes: the name and the version of this form); uint32, the length of what follows in JSON: until
when was known what they were made of, names, cells; then merchants, uint32, and cuts, float64, of each cell and name.
Equal peers have equal bytes, whose SHA-256 names and guards them.
"""

import hashlib
import json
from dataclasses import replace

import numpy as np

from fanxing.indicators.peers import CUTS, Peers

MAGIC = b"fxpeers\x01"
_START = len(MAGIC) + 4


class PeersDamaged(ValueError):
    """The bytes are not those of the peers that were asked for."""


def pack_peers(peers: Peers, known_us: int) -> tuple[Peers, bytes]:
    """The peers with their digest (SHA-256, hex), and their bytes."""
    head = json.dumps([known_us, peers.names, [*peers.cells]]).encode()
    arrays = peers.merchants.astype("<u4").tobytes() + peers.cuts.astype("<f8").tobytes()
    content = MAGIC + len(head).to_bytes(4, "little") + head + arrays
    return replace(peers, digest=hashlib.sha256(content).hexdigest()), content


def unpack_peers(content: bytes, digest: str) -> Peers:
    """The peers of these bytes; PeersDamaged, with a sentence, where they are not of that digest or of another form."""
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise PeersDamaged(f"its {len(content)} bytes have the digest {found}")
    if content[: len(MAGIC)] != MAGIC:
        raise PeersDamaged(f"it begins with {content[: len(MAGIC)]!r}, this code reads {MAGIC!r}")
    end = _START + int.from_bytes(content[len(MAGIC) : _START], "little")
    _, names, cells = json.loads(content[_START:end])
    shape = len(cells), len(names)
    merchants = np.frombuffer(content, "<u4", shape[0] * shape[1], end).reshape(shape)
    cuts = np.frombuffer(content, "<f8", merchants.size * CUTS, end + merchants.nbytes).reshape(*shape, CUTS)
    places = {(category, place): at for at, (category, place) in enumerate(cells)}
    return Peers(tuple(names), places, merchants, cuts, digest)
