"""Everything that can go wrong by the caller's doing or the world's: one class a reason.

`wire/errors.py` gives each class its status and its ErrorReason. A class carries what the caller needs to mend the
call: the field at fault and a few named values.
"""


class FanxingError(Exception):
    """A named failure; nothing is half done when it is raised."""

    def __init__(self, message: str, *, field: str = "", **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.metadata = {name: str(value) for name, value in metadata.items()}


class InvalidRequest(FanxingError):
    """A rule of the contract is broken that cannot be written beside the field."""


class TokenUnknown(FanxingError):
    """No institution has that bearer token."""


class CurrencyMismatch(FanxingError):
    """An amount in another currency than the institution's."""


class AmountOutOfRange(FanxingError):
    """Not a whole number of fen, negative, or absurd."""


class TimeInFuture(FanxingError):
    """A time well after the moment of the call."""


class EffectiveTimeRequired(FanxingError):
    """A CALLER institution left effective_time out."""


class EffectiveTimeForbidden(FanxingError):
    """A SYSTEM institution sent effective_time."""


class EffectiveTimeBackwards(FanxingError):
    """effective_time is earlier than one already used for the merchant, or for a decision of its controller's."""


class MerchantNotFound(FanxingError):
    """No such merchant."""


class MerchantExists(FanxingError):
    """The id is taken by a merchant with other contents."""


class PaymentConflict(FanxingError):
    """The payment id is taken by a payment with other contents."""


class WatermarkBackwards(FanxingError):
    """A feed has told to be complete through a later moment already."""


class FeedStale(FanxingError):
    """Receipts have been unknown for longer than a policy decides on."""


class RefundReferenceInvalid(FanxingError):
    """A refund names no receipt, or something else names one."""


class RequestIdReused(FanxingError):
    """The request id was used for other contents."""


class ApplicationNotFound(FanxingError):
    """No such application."""


class LineNotFound(FanxingError):
    """No such credit line."""


class LoanNotFound(FanxingError):
    """No such loan."""


class DecisionNotFound(FanxingError):
    """No such decision."""


class ApplicationStateWrong(FanxingError):
    """The application's state does not allow the step."""


class OfferExpired(FanxingError):
    """The offer's time has run out."""


class OfferDigestMismatch(FanxingError):
    """The digest is another offer's."""


class LineStateWrong(FanxingError):
    """The credit line cannot be drawn on."""


class LimitExceeded(FanxingError):
    """More than the line has left."""


class FundingExhausted(FanxingError):
    """More than the funder has left."""


class ConsentMissing(FanxingError):
    """A needed consent was not given."""


class ConsentExpired(FanxingError):
    """A consent has ended."""


class PolicyNotPublished(FanxingError):
    """The institution has no policy."""


class PolicyInvalid(FanxingError):
    """A policy directory that cannot be used."""


class ModelInvalid(FanxingError):
    """A model file that cannot be used."""


class IndicatorUnknown(FanxingError):
    """The catalogue has no such name."""


class IndicatorsTooMany(FanxingError):
    """More indicators than one call answers."""


class PeersSettled(FanxingError):
    """Decisions of the day have been made that read other peers."""


class PageTokenInvalid(FanxingError):
    """A page token that no list made."""


class StoreUnavailable(FanxingError):
    """The store is gone, locked or full; nothing was done."""


class OutcomeUnknown(FanxingError):
    """The store failed while committing; only asking again tells what was done."""


class Contention(FanxingError):
    """Other calls won the same rows every time."""


class RailNotSimulated(FanxingError):
    """A CALLER institution would have paid out real money."""


class ProductUnavailable(FanxingError):
    """The policy does not offer that purpose or term."""
