"""Made-up forests: trees of any shape with all that an artefact can hold. No model of any library is needed."""

import numpy as np

from fanxing_core.artefact import NODE, Artefact, NodeFlag, Transform

SPECIAL = (np.inf, -np.inf, 0.0, -0.0, 1.0, 3.0e38, 1.0e-40)


def made_up(
    seed, *, trees=8, leaves=20, depth=64, features=5, grid=None, comparison=64, outputs=1, categories=0, chain=False,
    divisor=1.0, margins_are_sums=False, transform=Transform.IDENTITY, scale=1.0, covers=False,
):  # fmt: skip
    """An artefact. `grid`: so many distinct cuts a feature (None: all differ). `chain`: as deep as leaves allow."""
    rng = np.random.default_rng(seed)
    precision = np.dtype(f"f{comparison // 8}")
    cuts = None if grid is None else np.sort(rng.normal(size=(features, grid))).astype(precision)
    sets = [rng.integers(0, 2**32, size=rng.integers(0, 4), dtype="u4") for _ in range(categories)]
    nodes, roots = [], []
    for _ in range(trees):
        roots.append(len(nodes))
        nodes.append(None)
        open_places = [(roots[-1], 0)]
        for _ in range(rng.integers(1, leaves + 1) - 1 if not chain else leaves - 1):
            ready = [place for place, (_, level) in enumerate(open_places) if level < depth]
            if not ready:
                break
            at, level = open_places.pop(ready[-1] if chain else int(rng.choice(ready)))
            nodes[at] = _split(rng, features, cuts, precision, sets, len(nodes))
            open_places += [(len(nodes), level + 1), (len(nodes) + 1, level + 1)]
            nodes += [None, None]
        for at, _ in open_places:
            nodes[at] = (float(precision.type(rng.normal())), -1, 0, 0, 0)
    held = np.array(nodes, NODE)
    return Artefact(
        comparison=comparison,
        sum=comparison,
        transform=transform,
        features=features,
        scale=scale,
        divisor=divisor,
        margins_are_sums=margins_are_sums,
        source_sha256=bytes(32),
        library="made up",
        library_version="1",
        base=rng.normal(size=outputs).astype(precision).astype("f8"),
        roots=np.array(roots, "<u4"),
        tree_outputs=rng.integers(0, outputs, size=trees).astype("<u4"),
        nodes=held,
        covers=rng.random(len(held)) if covers else np.empty(0),
        category_offsets=np.concatenate(([0], np.cumsum([len(each) for each in sets]))).astype("<u4"),
        category_words=np.concatenate([*sets, np.empty(0)]).astype("<u4"),
        golden_rows=np.empty((0, features)),
        golden_margins=np.empty((0, outputs)),
    )


def _split(rng, features, cuts, precision, sets, left):
    feature = int(rng.integers(features))
    missing = NodeFlag.MISSING_LEFT * int(rng.integers(2))
    if sets and rng.random() < 0.3:
        kind = NodeFlag.CATEGORY_LEFT if rng.random() < 0.5 else NodeFlag.CATEGORY_RIGHT
        return (0.0, feature, left, int(kind | missing), int(rng.integers(len(sets))))
    if rng.random() < 0.05:
        threshold = rng.choice(SPECIAL)
    else:
        threshold = rng.normal() if cuts is None else rng.choice(cuts[feature])
    return (float(precision.type(threshold)), feature, left, int(rng.integers(2)) | missing, 0)
