"""Runs apart: reads a model with Treelite and writes plain arrays to standard output. It is not trusted."""

import sys

import numpy as np
import treelite

from fanxing_core.artefact import LESS_EQUAL, MISSING_LEFT

_OPERATORS = {2: 0, 3: LESS_EQUAL}
"""Treelite's `<` and `<=` as our flags."""


def _flags(tree: object) -> np.ndarray:
    inner = tree.get_field("cleft") >= 0  # type: ignore[attr-defined]
    operators = tree.get_field("cmp")  # type: ignore[attr-defined]
    if set(operators[inner].tolist()) - _OPERATORS.keys():
        raise SystemExit("a comparison other than < and <= is not supported")
    less_equal = np.where(operators == 3, LESS_EQUAL, 0)
    missing_left = np.where(tree.get_field("default_left") != 0, MISSING_LEFT, 0)  # type: ignore[attr-defined]
    return np.where(inner, less_equal | missing_left, 0).astype("i4")


def _check(header: object, tree_count: int) -> None:
    field = header.get_field  # type: ignore[attr-defined]
    if not tree_count:
        raise SystemExit("the model has no tree")
    if int(field("num_target")[0]) != 1 or field("num_class").tolist() != [1]:
        raise SystemExit("models with several outputs are not supported")
    if int(field("average_tree_output")[0]):
        raise SystemExit("models that average their trees are not supported")
    if str(field("postprocessor")) not in {"sigmoid", "identity"}:
        raise SystemExit(f"the objective's {field('postprocessor')} is not supported")


def main(source: str) -> None:
    """Reads and writes."""
    model = treelite.frontend.load_lightgbm_model(source)
    header = model.get_header_accessor()
    _check(header, model.num_tree)
    trees = [model.get_tree_accessor(number) for number in range(model.num_tree)]
    if any(len(tree.get_field("category_list")) for tree in trees):
        raise SystemExit("categorical splits are not supported")
    if any(len(tree.get_field("leaf_vector")) for tree in trees):
        raise SystemExit("vector leaves are not supported")
    lefts = [tree.get_field("cleft") for tree in trees]

    def joined(name: str, kind: str) -> np.ndarray:
        return np.concatenate([tree.get_field(name) for tree in trees]).astype(kind)

    left = np.concatenate(lefts).astype("i4")
    np.savez(
        sys.stdout.buffer,
        features=np.array(model.num_feature),
        base=np.array(float(header.get_field("base_scores")[0])),
        sigmoid=np.array(float(header.get_field("sigmoid_alpha")[0])),
        sizes=np.array([len(each) for each in lefts]),
        left=left,
        right=joined("cright", "i4"),
        feature=np.where(left >= 0, joined("split_index", "i4"), -1),
        value=np.where(left >= 0, joined("threshold", "f8"), joined("leaf_value", "f8")),
        flags=np.concatenate([_flags(tree) for tree in trees]),
    )


if __name__ == "__main__":
    main(sys.argv[1])
