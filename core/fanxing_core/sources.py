"""Who wrote a model file, by its content."""

from fanxing_core import lightgbm_text, xgboost_file
from fanxing_core.errors import ModelError
from fanxing_core.source import Source


def describe(content: bytes) -> Source:
    """The checked file. ModelError for what is none of XGBoost's and LightGBM's, is cut short or is damaged."""
    if content.startswith(b"tree\n"):
        return lightgbm_text.describe(content)
    if content.startswith(b"{L\0\0\0\0") or content.lstrip(b" \t\r\n").startswith(b"{"):
        return xgboost_file.describe(content)
    raise ModelError("not a model of XGBoost (JSON, UBJSON) or LightGBM (text)")
