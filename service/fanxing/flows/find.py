"""Get and List: one record by its id, or a page of them, oldest first."""

from dataclasses import dataclass
from typing import TypeVar

from fanxing.errors import (
    ApplicationNotFound,
    DecisionNotFound,
    FanxingError,
    LineNotFound,
    LoanNotFound,
    MerchantNotFound,
)
from fanxing.flows.ports import Get, Range, Snapshot
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.lending.application import Application
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.merchants import Merchant
from fanxing.strategies.decision import Decision

R = TypeVar("R")
Listed = TypeVar("Listed", Application, CreditLine, Loan)

NOT_FOUND: dict[type, tuple[type[FanxingError], str]] = {
    Merchant: (MerchantNotFound, "merchant_id"),
    Decision: (DecisionNotFound, "decision_id"),
    Application: (ApplicationNotFound, "application_id"),
    CreditLine: (LineNotFound, "line_id"),
    Loan: (LoanNotFound, "loan_id"),
}
PAGE = 100


def not_found(record: type, key: str, within: str = "") -> FanxingError:
    """The error for a resource that this institution does not have; `within` leads to the field in the request."""
    error, field = NOT_FOUND[record]
    return error(f"no {field.removesuffix('_id')} {key}", field=within + field, **{field: key})


async def find(institution: Institution, record: type[R], key: str, world: World, within: str = "") -> R:
    """The record with that id, or its NotFound."""
    found = Snapshot(await world.store.read(institution.institution_id, Get(record, ((key,),)))).one(0, record)
    if found is None:
        raise not_found(record, key, within)
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """Which page: of one merchant ('' for all), after the last one seen ('' and 0 for the first), so many (0: 100)."""

    merchant_id: str
    after: tuple[int, str] | None
    size: int


async def list_page(
    institution: Institution, record: type[Listed], page: Page, world: World
) -> tuple[tuple[Listed, ...], tuple[int, str] | None]:
    """A page of applications, lines or loans, and where the next begins (None on the last)."""
    field = NOT_FOUND[record][1]
    order: tuple[str, ...] = ("created_us", field)
    size = page.size or PAGE
    query = Range(
        record,
        ("merchant_id", *order) if page.merchant_id else order,
        prefix=(page.merchant_id,) if page.merchant_id else (),
        after=page.after or (),
        limit=size + 1,
    )
    found = Snapshot(await world.store.read(institution.institution_id, query)).many(0, record)
    if len(found) <= size:
        return found, None
    last = found[size - 1]
    return found[:size], (last.created_us, getattr(last, field))
