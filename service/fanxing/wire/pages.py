"""Page tokens: opaque to the caller, and good only for the institution and the list that made them."""

import base64
import json
import uuid

from fanxing.errors import PageTokenInvalid
from fanxing.flows.find import Page
from fanxing.wire.tenant import INSTITUTION


def page(rpc: str, merchant_id: str, size: int, token: str) -> Page:
    """The page that a request asks for, or PageTokenInvalid."""
    if not token:
        return Page(merchant_id, None, size)
    try:
        *made_by, created_us, last_id = json.loads(base64.urlsafe_b64decode(token.encode()))
        whole = type(created_us) is int and 0 <= created_us < 1 << 63 and str(uuid.UUID(last_id)) == last_id
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _invalid() from error
    if not whole or made_by != _maker(rpc, merchant_id):
        raise _invalid()
    return Page(merchant_id, (created_us, last_id), size)


def token(rpc: str, merchant_id: str, after: tuple[int, str] | None) -> str:
    """The token of the next page; empty after the last."""
    if after is None:
        return ""
    return base64.urlsafe_b64encode(json.dumps([*_maker(rpc, merchant_id), *after]).encode()).decode()


def _maker(rpc: str, merchant_id: str) -> list[str]:
    return [INSTITUTION.get().institution_id, rpc, merchant_id]


def _invalid() -> PageTokenInvalid:
    return PageTokenInvalid("the token was not made by this list for this merchant", field="page_token")
