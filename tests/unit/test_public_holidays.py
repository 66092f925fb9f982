"""The table of public holidays is what the libraries tell, and what docs/indicators.md makes of it."""

from datetime import date, timedelta

import pytest
from tests.holiday_table import days_off, table

from fanxing.indicators import public_holidays
from fanxing.indicators.catalogue import catalogue_digest
from fanxing.indicators.facets import CORE, Facet, day_bits

EPOCH = date(1970, 1, 1)


def facets_of(*day, today=date(2045, 1, 1)):
    bits = int(day_bits((today - EPOCH).days)[(today - date(*day)).days])
    return {facet for facet in Facet if facet in CORE and bits >> CORE[facet] & 1}


def test_the_table_is_what_the_libraries_tell():
    assert table() == public_holidays.TABLE
    assert [EPOCH + timedelta(days) for days in public_holidays.holidays().tolist()] == days_off()


@pytest.mark.parametrize(
    ("day", "facets"),
    [
        ((2024, 2, 9), {Facet.WORKDAY}),
        ((2024, 2, 10), {Facet.HOLIDAY, Facet.WEEKEND}),
        ((2024, 2, 12), {Facet.HOLIDAY, Facet.WORKDAY}),
        ((2024, 2, 17), {Facet.HOLIDAY, Facet.WEEKEND}),
        ((2024, 2, 18), {Facet.WEEKEND}),  # made up for: a time of work
        ((2024, 6, 8), {Facet.HOLIDAY, Facet.WEEKEND}),  # the notice names the Monday that ends this weekend
        ((2024, 6, 15), {Facet.WEEKEND}),
        ((2027, 2, 6), {Facet.HOLIDAY, Facet.WEEKEND}),  # by law
        ((2041, 1, 1), {Facet.WORKDAY}),
        ((2004, 1, 1), {Facet.HOLIDAY, Facet.WORKDAY}),
        ((2003, 12, 31), {Facet.WORKDAY}),
        ((2003, 12, 27), {Facet.WEEKEND}),
    ],
)
def test_a_holiday_is_a_day_of_the_week_too_and_a_day_made_up_for_is_none(day, facets):
    assert facets_of(*day) == facets


def test_a_day_is_what_it_was_from_whichever_day_it_is_looked_at():
    for day in ((2026, 10, 1), (2026, 9, 20), (2004, 1, 1)):
        assert len({frozenset(facets_of(*day, today=date(*day) + timedelta(age))) for age in (0, 1, 30, 800)}) == 1


def test_another_table_is_another_catalogue(monkeypatch):
    digest = catalogue_digest()
    monkeypatch.setattr(public_holidays, "TABLE", public_holidays.TABLE.replace("2026 0101-0103", "2026 0101"))
    assert catalogue_digest.__wrapped__() != digest
