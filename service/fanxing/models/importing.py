"""From a trainer's file to a published artefact, tried on the trainer's own rows."""

from pathlib import Path

import numpy as np

from fanxing.errors import ModelInvalid
from fanxing_core import ModelError, import_model


def import_trained(source: Path, target: Path, rows: np.ndarray, margins: np.ndarray) -> None:
    """Writes the artefact of a model file; ModelInvalid names what is wrong with it."""
    try:
        import_model(source, target, golden=(rows, margins))
    except ModelError as error:
        raise ModelInvalid(f"{source}: {error}", field=str(source)) from error
