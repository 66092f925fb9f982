"""An application and its life cycle, written as a table."""

from dataclasses import dataclass, replace
from enum import StrEnum

from fanxing.errors import ApplicationStateWrong
from fanxing.lending.offer import Offer


class ApplicationState(StrEnum):
    """Where an application stands."""

    RECEIVED = "RECEIVED"
    SCORED = "SCORED"
    DECLINED = "DECLINED"
    REFERRED = "REFERRED"
    APPROVED = "APPROVED"
    ACCEPTED = "ACCEPTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


_S = ApplicationState
STEPS: dict[ApplicationState, frozenset[ApplicationState]] = {
    _S.RECEIVED: frozenset({_S.SCORED, _S.CANCELLED}),
    _S.SCORED: frozenset({_S.DECLINED, _S.REFERRED, _S.APPROVED}),
    _S.REFERRED: frozenset({_S.APPROVED, _S.DECLINED, _S.CANCELLED}),
    _S.DECLINED: frozenset({_S.REFERRED}),
    _S.APPROVED: frozenset({_S.ACCEPTED, _S.REFERRED, _S.CANCELLED, _S.EXPIRED}),
    _S.ACCEPTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""Every step an application may take; whatever is not here does not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the merchant agreed to: scope, SHA-256 of the text shown, end in microseconds UTC."""

    scope: str
    text_sha256: str
    expires_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application. Amounts in fen, times in microseconds UTC; `version` guards every change."""

    application_id: str
    merchant_id: str
    state: ApplicationState
    purpose: str
    requested_fen: int | None
    requested_term_months: int
    consents: tuple[Consent, ...]
    session_started_us: int | None
    decision_id: str
    offer: Offer | None
    line_id: str
    created_us: int
    changed_us: int
    version: int = 1

    def step(self, state: ApplicationState, at_us: int, **changes: object) -> "Application":
        """The application after a step, or ApplicationStateWrong."""
        if state not in STEPS[self.state]:
            raise ApplicationStateWrong(
                f"an application that is {self.state} cannot become {state}", field="application_id", state=self.state
            )
        return replace(self, state=state, changed_us=at_us, version=self.version + 1, **changes)  # type: ignore[arg-type]
