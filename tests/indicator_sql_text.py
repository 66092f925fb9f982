"""The definitions of docs/indicators.md as pieces of DuckDB's SQL: what is measured, and how each measure is told."""

PAID = """
CREATE TEMP TABLE paid AS
WITH known AS (
    SELECT *, timezone($zone, make_timestamptz(occurred_us)) AS local_time
    FROM payments WHERE known_us <= $known
), refunds AS (
    SELECT refund_of AS payment_id, sum(amount_fen) AS refunded FROM known
    WHERE kind = 'REFUND' AND occurred_us <= $refunds GROUP BY refund_of
), netted AS (
    SELECT known.*, CASE kind WHEN 'RECEIPT' THEN least(coalesce(refunded, 0), amount_fen) ELSE 0 END AS back
    FROM known LEFT JOIN refunds USING (payment_id)
    WHERE kind <> 'REFUND' AND occurred_us <= $as_of
), ordered AS (
    SELECT *, kind = 'RECEIPT' AND back < amount_fen AS is_receipt, payer_token <> '' AS has_payer,
        row_number() OVER (ORDER BY local_time, known_us, length(payment_id), payment_id) AS place
    FROM netted
)
SELECT *, local_time::DATE AS day, hour(local_time) AS hour,
    count(*) FILTER (is_receipt) OVER (
        PARTITION BY payer_token ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier
FROM ordered
"""
"""Receipts and outflows as they are known, in order, with what was sent back of each and the payer's earlier receipts.

Of equal local times the one that was known earlier comes first, then the one of the shorter id, then the lesser id.
"""

FACETS = {
    "workday": "isodow(day) <= 5",
    "weekend": "isodow(day) >= 6",
    "holiday": "day IN (SELECT day FROM holidays)",
    "night": "hour < 6",
    "morning": "hour >= 6 AND hour < 11",
    "noon": "hour >= 11 AND hour < 14",
    "afternoon": "hour >= 14 AND hour < 17",
    "evening": "hour >= 17 AND hour < 21",
    "late": "hour >= 21",
    "under_5_yuan": "amount_fen < 500",
    "from_5_yuan": "amount_fen >= 500 AND amount_fen < 1000",
    "from_10_yuan": "amount_fen >= 1000 AND amount_fen < 2000",
    "from_20_yuan": "amount_fen >= 2000 AND amount_fen < 5000",
    "from_50_yuan": "amount_fen >= 5000 AND amount_fen < 20000",
    "from_200_yuan": "amount_fen >= 20000",
    "round": "amount_fen % 1000 = 0",
    "known_payer": "has_payer",
    "anonymous": "NOT has_payer",
    "own": "has_payer AND payer_token = $controller",
    "real_name": "coalesce(payer_real_name, false)",
    "old_account": "coalesce(payer_account_age_days >= 180, false)",
    "young_account": "coalesce(payer_account_age_days < 30, false)",
    "by_balance": "instrument = 'BALANCE'",
    "by_debit": "instrument = 'DEBIT'",
    "by_credit": "instrument = 'CREDIT'",
    "merchant_code": "code_kind = 'MERCHANT'",
    "personal_code": "code_kind = 'PERSONAL'",
    "first_visit": "has_payer AND earlier = 0",
    "repeat_visit": "has_payer AND earlier > 0",
}
KINDS = {
    "receipts": ("amount_fen - back", "is_receipt"),
    "refunds": ("back", "back > 0"),
    "outflow": ("amount_fen", "kind = 'OUTFLOW'"),
    "balance": ("balance_after_fen", "balance_after_fen IS NOT NULL"),
    "balance_negative": ("balance_after_fen", "balance_after_fen < 0"),
}
"""Of each kind of row: what is summed, and which payments are of it."""
MEASURED = "CREATE TEMP TABLE measured AS WITH faceted AS (SELECT *, {facets} FROM paid) {kinds}".format(
    facets=", ".join(f"{condition} AS is_{name}" for name, condition in FACETS.items()),
    kinds=" UNION ALL ".join(
        f"SELECT '{kind}' AS row_kind, ({value})::BIGINT AS value, * FROM faceted WHERE {condition}"
        for kind, (value, condition) in KINDS.items()
    ),
)
"""The rows, each as often as it is of a kind, with every facet as a boolean."""

CHOSEN = """
CREATE TEMP TABLE chosen AS
SELECT slice, day, place, payer_token, has_payer, value
FROM slices JOIN filtered USING (filter) WHERE day BETWEEN first_day AND last_day
"""
"""The rows of each slice."""
SCATTER = "(count(*) * sum({0}::HUGEINT * {0}) - sum({0}) * sum({0}))"
"""Of exact integers: n sums of squares less the squared sum, that is n squared times the variance."""
OF_ROWS = {
    "count": "count(*)",
    "fen": "sum(value)",
    "mean_fen": "sum(value)::DOUBLE / count(*)",
    "deviation_fen": f"sqrt({SCATTER.format('value')}::DOUBLE) / count(*)",
    "min_fen": "min(value)",
    "max_fen": "max(value)",
    "last_fen": "arg_max(value, place)",
    "low_fen": "list_sort(list(value))[(1 * count(*) + 9) // 10]",
    "median_fen": "list_sort(list(value))[(5 * count(*) + 9) // 10]",
    "high_fen": "list_sort(list(value))[(9 * count(*) + 9) // 10]",
    "days": "count(DISTINCT day)",
}
ROWS = "SELECT slice, {column} FROM chosen SEMI JOIN wanted USING (slice) GROUP BY slice"

OF_PAYERS = {
    "payers_distinct": "count(*) FILTER (has_payer)",
    "payers_new": "count(*) FILTER (has_payer AND first_seen >= first_day)",
    "payers_returning": "count(*) FILTER (has_payer AND first_seen < first_day)",
    "payer_repeat_rate": "count(*) FILTER (has_payer AND visits >= 2) / nullif(count(*) FILTER (has_payer), 0)",
    "payer_top_share": "coalesce(max(paid) FILTER (has_payer), 0)::DOUBLE / sum(paid)::DOUBLE",
    "payer_concentration": "coalesce(sum(paid * paid) FILTER (has_payer), 0)::DOUBLE / (sum(paid) * sum(paid))::DOUBLE",
}
PAYERS = """
WITH first_rows AS (SELECT filter, payer_token, min(day) AS first_seen FROM filtered GROUP BY ALL),
payers AS (
    SELECT slice, payer_token, has_payer, count(*) AS visits, sum(value) AS paid
    FROM chosen SEMI JOIN wanted USING (slice) GROUP BY ALL)
SELECT slice, {column}
FROM payers JOIN slices USING (slice) JOIN first_rows USING (filter, payer_token) GROUP BY slice
"""
LOST = """
SELECT slice, count(DISTINCT seen.payer_token)
FROM wanted JOIN slices USING (slice) JOIN chosen AS seen ON seen.slice = slices.before
WHERE seen.has_payer AND NOT EXISTS (
    FROM chosen AS again WHERE again.slice = slices.slice AND again.payer_token = seen.payer_token)
GROUP BY slice
"""
GAPS = """
WITH begun AS (SELECT filter, min(day) AS first_row FROM filtered GROUP BY filter),
part AS (
    SELECT slice, greatest(first_day, first_row) AS first_day, last_day
    FROM wanted JOIN slices USING (slice) JOIN begun USING (filter) WHERE first_row <= last_day),
edges AS (
    SELECT slice, first_day - 1 AS day FROM part
    UNION SELECT slice, last_day + 1 FROM part
    UNION SELECT slice, day FROM chosen SEMI JOIN part USING (slice))
SELECT slice, max(gap) FROM (
    SELECT slice, day - lag(day) OVER (PARTITION BY slice ORDER BY day) - 1 AS gap FROM edges) GROUP BY slice
"""
"""Runs without a row lie between two days with one, the days around the part being taken for such."""

OF_DAYS = {
    "slope": "(count(*) * sum(x * y) - sum(x) * sum(y))::DOUBLE / {x}::DOUBLE",
    "volatility": "CASE WHEN sum(y) > 0 THEN sqrt({y}::DOUBLE) / sum(y)::DOUBLE END",
    "zscore": "CASE WHEN {y} > 0 THEN (count(*) * sum(y) FILTER (age < 7) - 7 * sum(y))::DOUBLE"
    " / (7 * sqrt({y}::DOUBLE)) END",
}
OF_ONE_DAY = {"count": "count(value)", "fen": "coalesce(sum(value), 0)"}
DAYS = """
WITH calendar AS (
    SELECT slice, last_day - day.generate_series::DATE AS age, day.generate_series::DATE AS day
    FROM wanted JOIN slices USING (slice), generate_series(first_day, last_day, INTERVAL 1 DAY) AS day
    WHERE (SELECT min(day) FROM paid) <= first_day),
daily AS (
    SELECT slice, age, -age::HUGEINT AS x, ({value})::HUGEINT AS y
    FROM calendar LEFT JOIN chosen USING (slice, day) GROUP BY slice, age)
SELECT slice, {column} FROM daily GROUP BY slice
"""

MEASURES = {
    **{f"receipts_{each}": ("receipts", each) for each in OF_ROWS if each not in {"last_fen", "days"}},
    **{f"refunds_{each}": ("refunds", each) for each in ("count", "fen")},
    **{f"outflow_{each}": ("outflow", each) for each in ("count", "fen", "mean_fen", "max_fen", "days")},
    **{
        f"balance_{each}": ("balance", each) for each in ("min_fen", "max_fen", "mean_fen", "deviation_fen", "last_fen")
    },
    "balance_negative_count": ("balance_negative", "count"),
    "active_days": ("receipts", "days"),
    **{each: ("receipts", each) for each in (*OF_PAYERS, "payers_lost", "longest_gap_days")},
}
ZERO = {"count", "fen", "days", "payers_distinct", "payers_new", "payers_returning", "payers_lost"}
"""Measures that are 0 without rows; the others are missing."""
RELATIVE = ("per_active_day", "to_before", "share")
