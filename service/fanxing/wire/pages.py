"""Page tokens: opaque to the caller, and good only for the list that made them."""

import base64
import binascii
import json

from fanxing.errors import PageTokenInvalid
from fanxing.flows.find import Page


def page(rpc: str, merchant_id: str, size: int, token: str) -> Page:
    """The page that a request asks for, or PageTokenInvalid."""
    if not token:
        return Page(merchant_id, None, size)
    try:
        made_by, of_merchant, created_us, last_id = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, binascii.Error) as error:
        raise _invalid() from error
    if (made_by, of_merchant) != (rpc, merchant_id) or type(created_us) is not int or type(last_id) is not str:
        raise _invalid()
    return Page(merchant_id, (created_us, last_id), size)


def token(rpc: str, merchant_id: str, after: tuple[int, str] | None) -> str:
    """The token of the next page; empty after the last."""
    if after is None:
        return ""
    return base64.urlsafe_b64encode(json.dumps([rpc, merchant_id, *after]).encode()).decode()


def _invalid() -> PageTokenInvalid:
    return PageTokenInvalid("the token was not made by this list for this merchant", field="page_token")
