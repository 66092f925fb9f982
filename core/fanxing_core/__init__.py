"""Native kernels: arrays in, arrays out, nothing of the business."""

from fanxing_core.errors import ModelError
from fanxing_core.forest import CORE_DIGEST, Forest
from fanxing_core.importer import import_model
from fanxing_core.panel import Panel

__all__ = ["CORE_DIGEST", "Forest", "ModelError", "Panel", "import_model"]
