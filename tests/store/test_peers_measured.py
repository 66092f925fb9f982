"""What is published is measured in small reads, which come to the same as one."""

import pytest
from msgspec.structs import replace
from tests.store.test_graphs import BANK
from tests.store.test_peers import DAY_US, MONDAY, noon_us, receipt, street

from fanxing.flows import peers_measured
from fanxing.flows.peers_measured import measured_peers
from fanxing.flows.ports import ChangeSet
from fanxing.indicators.peers import SPREAD
from fanxing.payments import PaymentKind, RecordedPayment
from fanxing.store.fake import FakeStore


class Longest(FakeStore):
    """How many payments were answered at most by one read."""

    payments = 0

    async def read(self, institution_id, *queries):
        answers = await super().read(institution_id, *queries)
        payments = sum(isinstance(each, RecordedPayment) for answer in answers for each in answer)
        self.payments = max(self.payments, payments)
        return answers


@pytest.fixture
async def busy():
    """A street of thirty shops, one of which has sold much, and sent back what was told to be sold only later."""
    store = Longest()
    await street(store)
    sold = [receipt(0, 100 * seq, seq) for seq in range(2, 13)]
    sent_back = replace(sold[1], kind=PaymentKind.REFUND, refund_of="p12", payment_id="back", payer_token="")
    await store.commit("bank", ChangeSet(inserts=(*sold[:1], sent_back, *sold[2:])))
    return store


@pytest.mark.parametrize("payments", [1, 2, 3, 4, 5, 11, 12, 13])
async def test_a_long_log_is_read_in_pages_and_none_is_lost(busy, monkeypatch, payments):
    whole, content = await measured_peers(BANK, busy, noon_us(MONDAY))
    assert busy.payments == 12
    busy.payments = 0
    monkeypatch.setattr(peers_measured, "PAYMENTS_A_READ", payments)
    assert (await measured_peers(BANK, busy, noon_us(MONDAY)))[1] == content
    assert busy.payments == min(payments, 12)
    last = whole.cuts[0, SPREAD.index("receipts_fen_90d"), -1]
    assert last == sum(100 * seq for seq in range(1, 13)) - 600


async def test_what_was_known_later_does_not_count_wherever_a_page_ends(busy, monkeypatch):
    _, content = await measured_peers(BANK, busy, noon_us(MONDAY))
    monkeypatch.setattr(peers_measured, "PAYMENTS_A_READ", 4)
    later = receipt(0, 10_000, 13, noon_us(MONDAY) + DAY_US)
    await busy.commit("bank", ChangeSet(inserts=(later,)))
    assert (await measured_peers(BANK, busy, noon_us(MONDAY)))[1] == content
