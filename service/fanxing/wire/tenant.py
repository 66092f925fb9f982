"""Who calls: a bearer token names the institution. Tokens are kept and compared as SHA-256 only."""

import hashlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar

from fanxing.errors import TokenUnknown
from fanxing.institutions import Institution

INSTITUTION: ContextVar[Institution] = ContextVar("institution")
"""The institution of the call under way; set by the interceptor before any servicer runs."""


class Tenants:
    """The institutions that may call, by the SHA-256 (hex) of their token; without tokens there is one, for anyone."""

    def __init__(self, by_token_sha256: Mapping[str, Institution], open_to_all: Institution | None) -> None:
        assert bool(by_token_sha256) != (open_to_all is not None)
        self._by_token_sha256 = dict(by_token_sha256)
        self._open_to_all = open_to_all

    def identify(self, metadata: Iterable[tuple[str, str | bytes]]) -> Institution:
        """The institution that a call's metadata names, or TokenUnknown."""
        if self._open_to_all is not None:
            return self._open_to_all
        given = [value for key, value in metadata if key == "authorization"]
        if len(given) != 1 or not isinstance(given[0], str) or not given[0].startswith("Bearer "):
            raise TokenUnknown("send exactly one header authorization: Bearer TOKEN")
        digest = hashlib.sha256(given[0].removeprefix("Bearer ").encode()).hexdigest()
        institution = self._by_token_sha256.get(digest)
        if institution is None:
            raise TokenUnknown("no institution has this token")
        return institution
