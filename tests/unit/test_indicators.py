"""Indicators as known: what comes later changes nothing that was known, to the last bit."""

from dataclasses import replace

import pytest
from msgspec import structs

from fanxing.facts import known_facts
from fanxing.flows.moments import local_day
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import STANDARD
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.history import EMPTY, fold
from fanxing.indicators.measure import measure
from fanxing.town.world import HOUR_US, TIME_ZONE, build_town, day_us
from fanxing.training.town import graph_of, logs_of

CUT_US = day_us(90) + 9 * HOUR_US
ASK = Ask(requested_fen=None, term_months=12)


@pytest.fixture(scope="module")
def town():
    """A small town, its logs, and the graph of what was seen before the day of the cut."""
    town = build_town(3, 40)
    logs = logs_of(town)
    return [shop.merchant for shop in town.shops], logs, graph_of(town, logs, local_day(CUT_US, TIME_ZONE))


def row(merchant, history, graph, facts=(), as_of_us=CUT_US):
    return measure(STANDARD, merchant, history, facts, graph, NOTHING_DRAWN, ASK, as_of_us, TIME_ZONE).tobytes()


def test_payments_known_later_change_no_bit(town):
    merchants, logs, graph = town
    for merchant in merchants:
        log = logs[merchant.merchant_id]
        alone = fold(EMPTY, [payment for payment in log if payment.known_us <= CUT_US])
        assert row(merchant, fold(EMPTY, log).known(CUT_US), graph) == row(merchant, alone, graph)


def test_payments_dated_later_change_no_bit(town):
    merchants, logs, graph = town
    for merchant in merchants[:10]:
        log = [payment for payment in logs[merchant.merchant_id] if payment.known_us <= CUT_US]
        late = structs.replace(
            log[0], payment_id="late", occurred_us=CUT_US + 1, merchant_seq=len(log) + 1, known_us=CUT_US
        )
        assert row(merchant, fold(EMPTY, [*log, late]), graph) == row(merchant, fold(EMPTY, log), graph)


def test_however_the_log_is_folded_the_bits_are_the_same(town):
    merchants, logs, graph = town
    for merchant in merchants[:5]:
        log = logs[merchant.merchant_id][:500]
        history = EMPTY
        for first in range(0, len(log), 7):
            history = fold(history, log[first : first + 7])
        assert row(merchant, history, graph) == row(merchant, fold(EMPTY, log), graph)


def test_facts_known_later_are_not_there_yet():
    facts = build_town(3, 40).facts
    later = replace(facts[0], fact_id="later", supersedes="first", known_us=CUT_US + 1)
    first = replace(facts[0], fact_id="first", known_us=CUT_US)
    assert known_facts((first, later), CUT_US) == (first,)
    assert known_facts((first, later), CUT_US + 1) == (later,)
