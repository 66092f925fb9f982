-- Every table begins with the institution, and so does every key and index. Amounts are fen, times are
-- microseconds since 1970 UTC. Payments, watermarks and entries are only ever appended.

CREATE TABLE institutions (
    institution_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    clock TEXT NOT NULL,
    PRIMARY KEY (institution_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE merchants (
    institution_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    opened_on TEXT NOT NULL,
    code_activated_on TEXT,
    place TEXT NOT NULL,
    frontage TEXT NOT NULL,
    controller_token TEXT NOT NULL,
    licence_token TEXT NOT NULL,
    payout_account_token TEXT NOT NULL,
    phone_token TEXT NOT NULL,
    device_token TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    registered_us INTEGER NOT NULL,
    payment_count INTEGER NOT NULL,
    fact_count INTEGER NOT NULL,
    last_told_us INTEGER NOT NULL,
    last_known_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, merchant_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX merchants_by_controller_token ON merchants (institution_id, controller_token, merchant_id);

CREATE TABLE controllers (
    institution_id TEXT NOT NULL,
    controller_token TEXT NOT NULL,
    last_told_us INTEGER NOT NULL,
    last_known_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, controller_token)
) STRICT, WITHOUT ROWID;

CREATE TABLE payments (
    institution_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    payer_token TEXT NOT NULL,
    amount_fen INTEGER NOT NULL,
    occurred_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    refund_of TEXT NOT NULL,
    instrument TEXT NOT NULL,
    channel TEXT NOT NULL,
    code_kind TEXT NOT NULL,
    device_token TEXT NOT NULL,
    payer_real_name INTEGER,
    payer_account_age_days INTEGER,
    balance_after_fen INTEGER,
    merchant_seq INTEGER NOT NULL,
    known_us INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, payment_id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX payments_by_merchant ON payments (institution_id, merchant_id, merchant_seq);

CREATE TABLE feeds (
    institution_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    complete_through_us INTEGER NOT NULL,
    merchant_id TEXT NOT NULL,
    known_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE watermarks (
    institution_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    complete_through_us INTEGER NOT NULL,
    merchant_id TEXT NOT NULL,
    known_us INTEGER NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, channel, complete_through_us)
) STRICT, WITHOUT ROWID;

CREATE INDEX watermarks_by_known ON watermarks (institution_id, merchant_id, channel, known_us, complete_through_us);

CREATE TABLE facts (
    institution_id TEXT NOT NULL,
    fact_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT,
    source TEXT NOT NULL,
    none_found INTEGER NOT NULL,
    works TEXT,
    debt TEXT,
    link TEXT,
    supersedes TEXT NOT NULL,
    fact_seq INTEGER NOT NULL,
    known_us INTEGER NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, fact_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
    institution_id TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    as_of_us INTEGER NOT NULL,
    known_us INTEGER NOT NULL,
    merchant_seq INTEGER NOT NULL,
    fact_seq INTEGER NOT NULL,
    policy_digest TEXT NOT NULL,
    catalogue_digest TEXT NOT NULL,
    core_digest TEXT NOT NULL,
    graph_digest TEXT NOT NULL,
    peers_digest TEXT NOT NULL,
    row_digest TEXT NOT NULL,
    watermarks TEXT NOT NULL,
    verdict TEXT NOT NULL,
    cpu_micros INTEGER NOT NULL,
    PRIMARY KEY (institution_id, decision_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX decisions_by_merchant ON decisions (institution_id, merchant_id, known_us, decision_id);

CREATE TABLE applications (
    institution_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    state TEXT NOT NULL,
    purpose TEXT NOT NULL,
    requested_fen INTEGER,
    requested_term_months INTEGER NOT NULL,
    consents TEXT NOT NULL,
    session_started_us INTEGER,
    decision_id TEXT NOT NULL,
    offer TEXT,
    line_id TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, application_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX applications_by_created ON applications (institution_id, created_us, application_id);

CREATE INDEX applications_by_merchant ON applications (institution_id, merchant_id, created_us, application_id);

CREATE TABLE credit_lines (
    institution_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    state TEXT NOT NULL,
    limit_fen INTEGER NOT NULL,
    reserved_fen INTEGER NOT NULL,
    drawn_fen INTEGER NOT NULL CHECK (reserved_fen >= 0 AND drawn_fen >= 0 AND reserved_fen + drawn_fen <= limit_fen),
    annual_rate TEXT NOT NULL,
    term_months INTEGER NOT NULL,
    repayment_method TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, line_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX credit_lines_by_created ON credit_lines (institution_id, created_us, line_id);

CREATE INDEX credit_lines_by_merchant ON credit_lines (institution_id, merchant_id, created_us, line_id);

CREATE TABLE loans (
    institution_id TEXT NOT NULL,
    loan_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    state TEXT NOT NULL,
    principal_fen INTEGER NOT NULL,
    annual_rate TEXT NOT NULL,
    schedule TEXT NOT NULL,
    transfer_id TEXT NOT NULL,
    rail_detail TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, loan_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX loans_by_created ON loans (institution_id, created_us, loan_id);

CREATE INDEX loans_by_merchant ON loans (institution_id, merchant_id, created_us, loan_id);

CREATE INDEX loans_by_line ON loans (institution_id, line_id, created_us, loan_id);

CREATE INDEX loans_by_state ON loans (institution_id, state, changed_us, loan_id);

CREATE TABLE transfers (
    institution_id TEXT NOT NULL,
    transfer_id TEXT NOT NULL,
    loan_id TEXT NOT NULL,
    payout_account_token TEXT NOT NULL,
    amount_fen INTEGER NOT NULL,
    state TEXT NOT NULL,
    headroom_fen INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, transfer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    institution_id TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    line_number INTEGER NOT NULL,
    account TEXT NOT NULL,
    amount_fen INTEGER NOT NULL,
    booked_us INTEGER NOT NULL,
    PRIMARY KEY (institution_id, transaction_id, line_number)
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_by_account ON entries (institution_id, account, transaction_id, line_number);

CREATE TABLE requests (
    institution_id TEXT NOT NULL,
    rpc TEXT NOT NULL,
    request_id TEXT NOT NULL,
    command_hash TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    PRIMARY KEY (institution_id, rpc, request_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE quotas (
    institution_id TEXT NOT NULL,
    name TEXT NOT NULL,
    limit_fen INTEGER NOT NULL,
    used_fen INTEGER NOT NULL CHECK (used_fen >= 0 AND used_fen <= limit_fen),
    PRIMARY KEY (institution_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE artefacts (
    institution_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (institution_id, digest)
) STRICT;

CREATE TABLE graph_days (
    institution_id TEXT NOT NULL,
    day TEXT NOT NULL,
    digest TEXT NOT NULL,
    known_us INTEGER NOT NULL,
    PRIMARY KEY (institution_id, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE peer_days (
    institution_id TEXT NOT NULL,
    day TEXT NOT NULL,
    digest TEXT NOT NULL,
    known_us INTEGER NOT NULL,
    PRIMARY KEY (institution_id, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE active_policies (
    institution_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    digest TEXT NOT NULL,
    since_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (institution_id, slot)
) STRICT, WITHOUT ROWID;
