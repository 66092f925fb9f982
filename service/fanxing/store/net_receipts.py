"""`NetReceipts` in SQL: what each payer has paid at a merchant within a window, net of refunds, summed from its log.

`payments.net_receipts` says the same in Python; a test holds the three against each other.
"""

from fanxing.flows.ports import NetReceipts


def net_receipts_sql(institution: str, places: tuple[str, str, str, str, str], least: str) -> str:
    """A SELECT of payer_token, merchant_id, net_fen, by payer_token.

    `institution` and `places` are how the dialect writes its arguments, the latter those of `net_receipts_arguments`;
    `least` is its function for the lesser of two numbers.
    """
    merchant, since, until, refunded_before, known = places
    return (
        # By receipt, its refunds with it: one scan and no join, which a planner without statistics would do in loops.
        "WITH booked AS (SELECT max(CASE kind WHEN 'RECEIPT' THEN payer_token END) AS payer_token, "
        "sum(CASE kind WHEN 'RECEIPT' THEN amount_fen ELSE 0 END) AS paid_fen, "
        "sum(CASE kind WHEN 'REFUND' THEN amount_fen ELSE 0 END) AS back_fen "
        f"FROM payments WHERE institution_id = {institution} AND merchant_id = {merchant} AND known_us <= {known} "
        f"AND (kind = 'RECEIPT' AND payer_token <> '' AND occurred_us >= {since} AND occurred_us < {until} "
        f"OR kind = 'REFUND' AND occurred_us < {refunded_before}) "
        "GROUP BY CASE kind WHEN 'RECEIPT' THEN payment_id ELSE refund_of END), "
        f"net AS (SELECT payer_token, sum(paid_fen - {least}(paid_fen, back_fen)) AS net_fen "
        "FROM booked WHERE payer_token IS NOT NULL GROUP BY payer_token) "
        f"SELECT payer_token, {merchant} AS merchant_id, net_fen FROM net WHERE net_fen > 0 ORDER BY payer_token"
    )


def net_receipts_arguments(query: NetReceipts) -> tuple[str | int, ...]:
    """Merchant, since, until, refunded before, known."""
    window = query.window
    return query.merchant_id, window.since_us, window.until_us, window.refunded_before_us, window.known_us
