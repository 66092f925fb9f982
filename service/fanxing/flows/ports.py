"""What the flows need from the world: a store, a payout rail and a clock.

The store is one interface: `read` a few queries as one consistent snapshot, then `commit` a ChangeSet, which is data.
Records are frozen dataclasses of the rooms below, and payments, which are structs; the institution is never a field of
theirs, it is the first argument of every call and the first column of every key.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

from fanxing.facts import Fact
from fanxing.feeds import Feed, RecordedWatermark
from fanxing.institutions import Institution
from fanxing.ledger import Entry, Transfer
from fanxing.lending.application import Application
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.merchants import Controller, Merchant
from fanxing.payments import RecordedPayment, Sighting, Window
from fanxing.strategies.decision import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A mutating call that was carried out: the hash of its plain command and the resource that it made."""

    rpc: str
    request_id: str
    command_hash: str
    resource_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A counter shared by many calls, such as a funder's headroom. 0 <= used_fen <= limit_fen always."""

    name: str
    limit_fen: int
    used_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """Published bytes, named by their SHA-256 (hex)."""

    digest: str
    kind: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOfDay:
    """Which payer graph the decisions of a day (ISO, the institution's) read: the Artefact of that digest.

    `known_us`: it holds what was known then, as far as that was on record when it was built. Never changed.
    """

    day: str
    digest: str
    known_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersOfDay:
    """Among which peers the decisions of a day (ISO, the institution's) rank: the Artefact of that digest.

    They are made of what was known by `known_us`. An empty digest: there were none, and `known_us` is 0. Never changed.
    """

    day: str
    digest: str
    known_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePolicy:
    """Which policy decides now; `slot` is "champion"."""

    slot: str
    digest: str
    since_us: int
    version: int = 1


Record = (
    Institution | Merchant | Controller | RecordedPayment | Sighting | Feed | RecordedWatermark | Fact | Decision
    | Application | CreditLine | Loan | Transfer | Entry | Request | Quota | Artefact | GraphOfDay | PeersOfDay
    | ActivePolicy
)  # fmt: skip
"""A Sighting is only ever answered, never committed: it is summed from the log."""
R = TypeVar("R")

KEYS: dict[type, tuple[str, ...]] = {
    Institution: ("institution_id",),
    Merchant: ("merchant_id",),
    Controller: ("controller_token",),
    RecordedPayment: ("merchant_id", "payment_id"),
    Feed: ("merchant_id", "channel"),
    RecordedWatermark: ("merchant_id", "channel", "complete_through_us"),
    Fact: ("merchant_id", "fact_seq"),
    Decision: ("decision_id",),
    Application: ("application_id",),
    CreditLine: ("line_id",),
    Loan: ("loan_id",),
    Transfer: ("transfer_id",),
    Entry: ("transaction_id", "line_number"),
    Request: ("rpc", "request_id"),
    Quota: ("name",),
    Artefact: ("digest",),
    GraphOfDay: ("day",),
    PeersOfDay: ("day",),
    ActivePolicy: ("slot",),
}
"""The key of each record within its institution. A field called `version` guards updates."""

ORDERS: dict[type, tuple[tuple[str, ...], ...]] = {
    Merchant: (("merchant_id",), ("controller_token", "merchant_id")),
    RecordedPayment: (("merchant_id", "merchant_seq"),),
    Feed: (("merchant_id", "channel"),),
    RecordedWatermark: (
        ("merchant_id", "channel", "known_us", "complete_through_us"),
        ("merchant_id", "channel", "complete_through_us"),
    ),
    Decision: (("merchant_id", "known_us", "decision_id"),),
    Fact: (("merchant_id", "fact_seq"),),
    Application: (("created_us", "application_id"), ("merchant_id", "created_us", "application_id")),
    CreditLine: (("created_us", "line_id"), ("merchant_id", "created_us", "line_id")),
    Loan: (
        ("created_us", "loan_id"),
        ("merchant_id", "created_us", "loan_id"),
        ("line_id", "created_us", "loan_id"),
        ("state", "changed_us", "loan_id"),
    ),
    Entry: (("account", "transaction_id", "line_number"), ("transaction_id", "line_number")),
    PeersOfDay: (("day",),),
}
"""The orders that a range may be read in; each has an index, and each ends in what makes it unique."""


@dataclass(frozen=True, slots=True)
class Get:
    """The records with these keys; those that do not exist are left out. All in one record type."""

    record: type
    keys: tuple[tuple[str | int, ...], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Records in the order of one of ORDERS[record], whose leading fields equal `prefix`.

    `after` / `until`: the fields that follow the prefix, in order, are strictly greater than `after` and at most
    `until` (compared as tuples, each possibly shorter than what is left of the order). `limit`: at most so many;
    `backwards`: from the other end.
    """

    record: type
    order: tuple[str, ...]
    prefix: tuple[str | int, ...] = ()
    after: tuple[str | int, ...] = ()
    until: tuple[str | int, ...] = ()
    limit: int | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class NetReceipts:
    """Sightings: what each known payer has paid at a merchant within a window, in the order of the payers' tokens.

    `payments.net_receipts` of the merchant's whole log, summed where the log is kept.
    """

    merchant_id: str
    window: Window

    @property
    def record(self) -> type:
        """What is answered."""
        return Sighting


Query = Get | Range | NetReceipts


@dataclass(frozen=True, slots=True)
class Increment:
    """Adds to a Quota's used_fen; the change set conflicts with QUOTA when it would leave 0..limit_fen."""

    name: str
    add_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """Everything that one unit of work changes: all of it or nothing.

    `inserts` conflict with EXISTS when a key is taken. `updates` replace the record with the same key whose version
    is one less, and conflict with VERSION when there is none. `inserts_if_absent` do nothing when the key is taken.
    """

    inserts: tuple[Record, ...] = ()
    inserts_if_absent: tuple[Record, ...] = ()
    updates: tuple[Record, ...] = ()
    increments: tuple[Increment, ...] = ()


class ConflictKind(Enum):
    """Why a change set was not applied."""

    EXISTS = "EXISTS"
    VERSION = "VERSION"
    QUOTA = "QUOTA"


@dataclass(frozen=True, slots=True)
class Committed:
    """The change set is durable."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The change set was not applied: somebody else was first."""

    kind: ConflictKind
    record: str = ""


class Store(Protocol):
    """The one interface to what is kept. Raises StoreUnavailable, or OutcomeUnknown from commit."""

    async def read(self, institution_id: str, *queries: Query) -> tuple[tuple[Record, ...], ...]:
        """One answer a query, all from one consistent snapshot."""

    async def commit(self, institution_id: str, changes: ChangeSet) -> Committed | Conflict:
        """Applies all changes durably, or none."""

    async def ledger_sum_fen(self, institution_id: str) -> int:
        """Sum of all entries; 0, or something is very wrong."""

    async def institutions(self) -> tuple[Institution, ...]:
        """All institutions, for start-up and settlement."""

    async def stored_bytes(self) -> int:
        """What the store takes, indexes and all, of every institution together."""

    async def close(self) -> None:
        """Finishes what is under way and lets go."""


class RailState(Enum):
    """What the payout rail says of a transfer. UNKNOWN: it was silent, or said something unclear."""

    PAID = "PAID"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"
    RETURNED = "RETURNED"
    IN_FLIGHT = "IN_FLIGHT"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class RailAnswer:
    """A state, what the bank says about it, and the amount that it speaks of (None where it spoke of none)."""

    state: RailState
    detail: str = ""
    currency: str = ""
    amount_fen: int | None = None


class Rail(Protocol):
    """The payout rail. Never raises for the rail's sake: silence is UNKNOWN."""

    simulated: bool

    async def pay(self, institution: Institution, transfer: Transfer) -> RailAnswer:
        """Pays once per transfer id."""

    async def query(self, transfer_id: str) -> RailAnswer:
        """Tells what became of a transfer."""

    async def cancel(self, transfer_id: str) -> RailAnswer:
        """Refuses the id for ever unless it is paid."""


class Now(Protocol):
    """The system's clock."""

    def __call__(self) -> int:
        """Microseconds since 1970 UTC."""


class CpuTime(Protocol):
    """The processor time that this thread has used."""

    def __call__(self) -> int:
        """Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Typed access to what `Store.read` answered."""

    answers: tuple[tuple[Record, ...], ...] = field(default=())

    def one(self, position: int, record: type[R]) -> R | None:
        """The single record of an answer, or None."""
        answer = self.answers[position]
        if not answer:
            return None
        assert isinstance(answer[0], record)
        return answer[0]

    def many(self, position: int, record: type[R]) -> tuple[R, ...]:
        """All records of an answer."""
        return tuple(each for each in self.answers[position] if isinstance(each, record))
