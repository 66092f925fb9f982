"""import_model: a model file -> our artefact. Treelite reads it in a limited subprocess, since damaged files crash it.

What comes back is checked again here, node by node, and tried on the trainer's own golden rows. Supported: LightGBM
text with one output. XGBoost, categorical splits, several outputs, averaging, linear trees and zero_as_missing
are refused by name, never answered wrongly.
"""

import hashlib
import io
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from fanxing_core import artefact
from fanxing_core.errors import ModelError
from fanxing_core.forest import Forest

SOURCE_BYTES_MAX = 256 << 20
MEMORY_BYTES_MAX = 4 << 30
CPU_S_MAX = 60
WALL_S_MAX = 90
OUTPUT_BYTES_MAX = 1 << 30
_LESS, _LESS_EQUAL = 2, 3
"""Treelite's codes of its comparison operators."""
_FLOAT32, _FLOAT64 = 2, 3
"""Treelite's codes of its types."""


def import_model(source: Path, target: Path, *, golden: tuple[np.ndarray, np.ndarray] | None = None) -> None:
    """Reads LightGBM text and writes the artefact. ModelError names what is wrong or unsupported.

    `golden`: rows float64 (n, features) with the trainer's own margins (n,); they are kept and tried at every load.
    """
    content = _bytes_of(source)
    _check_source(content)
    arrays = _read_apart(source)
    rows, margins = golden if golden is not None else (np.empty((0, int(arrays["features"]))), np.empty(0))
    roots, nodes = _laid_out(arrays)
    written = artefact.write(
        artefact.Artefact(
            precision=artefact.FLOAT64,
            features=int(arrays["features"]),
            base=float(arrays["base"]),
            sigmoid=float(arrays["sigmoid"]),
            source_sha256=hashlib.sha256(content).digest(),
            roots=roots,
            nodes=nodes,
            golden_rows=np.asarray(rows, dtype="<f8"),
            golden_margins=np.asarray(margins, dtype="<f8"),
        )
    )
    Forest(written)
    target.write_bytes(written)


def _bytes_of(source: Path) -> bytes:
    try:
        if source.stat().st_size > SOURCE_BYTES_MAX:
            raise ModelError(f"{source} is larger than {SOURCE_BYTES_MAX} bytes")
        return source.read_bytes()
    except OSError as error:
        raise ModelError(f"{source}: {error}") from error


def _check_source(content: bytes) -> None:
    """Refuses what is no LightGBM text, and a file cut short, which Treelite would read as another model."""
    if content.startswith(b"tree\n"):
        _check_lightgbm(content.decode(errors="replace"))
        return
    if content.startswith(b"{"):
        raise ModelError("XGBoost models are not supported")
    raise ModelError("not a LightGBM model in text form")


def _check_lightgbm(text: str) -> None:
    sizes = re.search(r"^tree_sizes=(.*)$", text, re.MULTILINE)
    trees = len(re.findall(r"^Tree=\d+$", text, re.MULTILINE))
    if sizes is None or not trees or len(sizes[1].split()) != trees or "\nend of parameters" not in text:
        raise ModelError("the LightGBM file is cut short or its trees are not those that it counts")
    if any(int(kind) >> 2 & 3 == 1 for line in re.findall(r"^decision_type=(.*)$", text, re.MULTILINE)
           for kind in line.split()):  # fmt: skip
        raise ModelError("zero_as_missing is not supported")
    if re.search(r"^num_cat=[^0]", text, re.MULTILINE):
        raise ModelError("categorical splits are not supported")
    if re.search(r"^is_linear=1", text, re.MULTILINE):
        raise ModelError("linear trees are not supported")


def _read_apart(source: Path) -> Mapping[str, np.ndarray]:
    """The arrays of a model, read in a process that may crash, hang or swell without harm."""
    command = [sys.executable, "-I", "-m", "fanxing_core.importer_child", str(source.absolute())]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            command, capture_output=True, timeout=WALL_S_MAX, preexec_fn=_limit, check=False,
            env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ModelError("reading the model took too long") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError(f"the model cannot be read: {said[-1] if said else f'exit {done.returncode}'}")
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"the model cannot be read: {error}") from error


def _limit() -> None:
    """Runs in the child before it starts."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES_MAX, OUTPUT_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _laid_out(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Roots and nodes in our order: each tree level by level, so that children follow their parents in pairs."""
    nodes: list[tuple[float, int, int, int, int]] = []
    roots = []
    starts = np.concatenate(([0], np.cumsum(arrays["sizes"])))
    for start, end in pairwise(starts):
        roots.append(len(nodes))
        tree = {name: arrays[name][start:end].tolist() for name in ("left", "right", "feature", "value", "flags")}
        _lay_tree(tree, nodes)
    return np.array(roots, dtype="<i4"), np.array(nodes, dtype=artefact.NODE)


def _lay_tree(tree: Mapping[str, list[int]], nodes: list[tuple[float, int, int, int, int]]) -> None:
    first, queue, count = len(nodes), [0], len(tree["left"])
    for place in queue:
        if len(queue) > count or not 0 <= place < count:
            raise ModelError("the model has a child out of range or in a circle")
        feature = tree["feature"][place]
        if feature < 0:
            nodes.append((tree["value"][place], -1, 0, 0, 0))
        else:
            nodes.append((tree["value"][place], feature, first + len(queue), tree["flags"][place], 0))
            queue += [tree["left"][place], tree["right"][place]]
    if len(queue) != count:
        raise ModelError("the model has nodes that no tree reaches")
