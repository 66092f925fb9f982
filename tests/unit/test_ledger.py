"""Every step of a transfer's life leaves every account right, and the sum at zero."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanxing import ledger
from fanxing.ledger import CASH, IN_TRANSIT, Transfer, TransferState, principal, suspense

AMOUNT = 12_345_67
LIVES = {
    ("pending",): {suspense("a"): AMOUNT, IN_TRANSIT: -AMOUNT},
    ("pending", "posted"): {principal("a"): AMOUNT, CASH: -AMOUNT},
    ("pending", "voided"): {},
    ("pending", "posted", "returned"): {},
}


def transfer(loan_id="a", amount_fen=AMOUNT):
    return Transfer(
        transfer_id=f"t-{loan_id}",
        loan_id=loan_id,
        payout_account_token="account",
        amount_fen=amount_fen,
        state=TransferState.PENDING,
        headroom_fen=0,
        created_us=1,
    )


def balances(entries):
    total = Counter()
    for entry in entries:
        total[entry.account] += entry.amount_fen
    return {account: amount for account, amount in total.items() if amount}


@pytest.mark.parametrize("steps", LIVES, ids="-".join)
def test_balances_after_each_life(steps):
    entries = [entry for step in steps for entry in getattr(ledger, step)(transfer(), 1)]
    assert balances(entries) == LIVES[steps]
    assert sum(entry.amount_fen for entry in entries) == 0


@given(st.lists(st.tuples(st.integers(1, 10**12), st.sampled_from(sorted(LIVES))), max_size=8))
def test_many_transfers_keep_apart_and_sum_to_zero(lives):
    entries = []
    for number, (amount_fen, steps) in enumerate(lives):
        each = transfer(str(number), amount_fen)
        entries += [entry for step in steps for entry in getattr(ledger, step)(each, number)]
    left = balances(entries)
    assert sum(left.values()) == 0
    assert left.get(CASH, 0) == -sum(amount for amount, steps in lives if steps == ("pending", "posted"))
    assert left.get(IN_TRANSIT, 0) == -sum(amount for amount, steps in lives if steps == ("pending",))
    for number, (amount_fen, steps) in enumerate(lives):
        assert left.get(principal(str(number)), 0) == (amount_fen if steps == ("pending", "posted") else 0)
        assert left.get(suspense(str(number)), 0) == (amount_fen if steps == ("pending",) else 0)


def test_each_step_is_a_transaction_of_its_own_with_numbered_lines():
    steps = [step(transfer(), 7) for step in (ledger.pending, ledger.posted, ledger.voided, ledger.returned)]
    assert len({entries[0].transaction_id for entries in steps}) == 4
    for entries in steps:
        assert len({entry.transaction_id for entry in entries}) == 1
        assert [entry.line_number for entry in entries] == list(range(1, len(entries) + 1))
        assert all(entry.amount_fen and entry.booked_us == 7 for entry in entries)


def test_a_transaction_that_does_not_balance_is_refused():
    with pytest.raises(AssertionError, match="sums to zero"):
        ledger._transaction(transfer(), "odd", 1, ((CASH, 1), (IN_TRANSIT, -2)))
