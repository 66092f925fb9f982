"""A payer graph as bytes: what is stored of a day's graph, and read again by every process.

Little endian: MAGIC (8 bytes: the name and the version of this form); five uint32: the bytes of a cluster's number (2,
or 4 from 65,536 clusters on), the day (its ordinal), how many hands, payers and vouchers; then the arrays of
`PayerGraph` in the order of their fields. Equal graphs of a day have equal bytes, whose SHA-256 names and guards them.
"""

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from fanxing.indicators.graph import PayerGraph
from fanxing.indicators.salted import NAME

MAGIC = b"fxgraph\x01"
_COUNTS = np.dtype("<u4")


class GraphDamaged(ValueError):
    """The bytes are not those of the graph that was asked for."""


def pack_graph(graph: PayerGraph, day: date) -> tuple[PayerGraph, bytes]:
    """The graph with its digest (SHA-256, hex), and its bytes."""
    label = np.dtype("<u2") if graph.clusters.max(initial=0) < 1 << 16 else np.dtype("<u4")
    head = (label.itemsize, day.toordinal(), len(graph.hands), len(graph.payers), len(graph.vouching))
    arrays = (
        np.array(head, _COUNTS),
        graph.hands,
        graph.clusters.astype(label),
        graph.payers,
        graph.starts.astype(_COUNTS),
        graph.vouching.astype(label),
    )
    content = MAGIC + b"".join(each.tobytes() for each in arrays)
    return replace(graph, digest=hashlib.sha256(content).hexdigest()), content


def unpack_graph(content: bytes, digest: str, day: date, institution_id: str) -> PayerGraph:
    """The graph of these bytes; GraphDamaged, with a sentence, where they are not that day's or not of that digest."""
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise GraphDamaged(f"its {len(content)} bytes have the digest {found}")
    if content[: len(MAGIC)] != MAGIC:
        raise GraphDamaged(f"it begins with {content[: len(MAGIC)]!r}, this code reads {MAGIC!r}")
    label, ordinal, hand_count, payer_count, voucher_count = np.frombuffer(content, _COUNTS, 5, len(MAGIC)).tolist()
    if ordinal != day.toordinal():
        raise GraphDamaged(f"it is the graph of {date.fromordinal(ordinal)}")
    at = len(MAGIC) + 5 * _COUNTS.itemsize

    def array(kind: np.dtype[Any], count: int) -> np.ndarray:
        nonlocal at
        at += count * kind.itemsize
        return np.frombuffer(content, kind, count, at - count * kind.itemsize)

    cluster = np.dtype(f"<u{label}")
    return PayerGraph(
        institution_id=institution_id,
        hands=array(NAME, hand_count),
        clusters=array(cluster, hand_count),
        payers=array(NAME, payer_count),
        starts=array(_COUNTS, payer_count + 1),
        vouching=array(cluster, voucher_count),
        digest=digest,
    )
