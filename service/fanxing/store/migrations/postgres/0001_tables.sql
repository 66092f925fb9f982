-- Every table begins with the institution, and so does every key and index. Amounts are fen, times are
-- microseconds since 1970 UTC. Payments, watermarks and entries are only ever appended.

CREATE TABLE institutions (
    institution_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    time_zone text COLLATE "C" NOT NULL,
    clock text COLLATE "C" NOT NULL,
    PRIMARY KEY (institution_id)
);

CREATE TABLE merchants (
    institution_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    opened_on text COLLATE "C" NOT NULL,
    code_activated_on text COLLATE "C",
    place text COLLATE "C" NOT NULL,
    frontage text COLLATE "C" NOT NULL,
    controller_token text COLLATE "C" NOT NULL,
    licence_token text COLLATE "C" NOT NULL,
    payout_account_token text COLLATE "C" NOT NULL,
    phone_token text COLLATE "C" NOT NULL,
    device_token text COLLATE "C" NOT NULL,
    time_zone text COLLATE "C" NOT NULL,
    registered_us bigint NOT NULL,
    payment_count bigint NOT NULL,
    fact_count bigint NOT NULL,
    last_told_us bigint NOT NULL,
    last_known_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, merchant_id)
);

CREATE INDEX merchants_by_controller_token ON merchants (institution_id, controller_token, merchant_id);

CREATE TABLE controllers (
    institution_id text COLLATE "C" NOT NULL,
    controller_token text COLLATE "C" NOT NULL,
    last_told_us bigint NOT NULL,
    last_known_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, controller_token)
);

CREATE TABLE payments (
    institution_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    payer_token text COLLATE "C" NOT NULL,
    amount_fen bigint NOT NULL,
    occurred_us bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    refund_of text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    code_kind text COLLATE "C" NOT NULL,
    device_token text COLLATE "C" NOT NULL,
    payer_real_name bigint,
    payer_account_age_days bigint,
    balance_after_fen bigint,
    merchant_seq bigint NOT NULL,
    known_us bigint NOT NULL,
    content_hash text COLLATE "C" NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, payment_id)
);

CREATE UNIQUE INDEX payments_by_merchant ON payments (institution_id, merchant_id, merchant_seq);

CREATE TABLE feeds (
    institution_id text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    complete_through_us bigint NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    known_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, channel)
);

CREATE TABLE watermarks (
    institution_id text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    complete_through_us bigint NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    known_us bigint NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, channel, complete_through_us)
);

CREATE INDEX watermarks_by_known ON watermarks (institution_id, merchant_id, channel, known_us, complete_through_us);

CREATE TABLE facts (
    institution_id text COLLATE "C" NOT NULL,
    fact_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    valid_from text COLLATE "C" NOT NULL,
    valid_to text COLLATE "C",
    source text COLLATE "C" NOT NULL,
    none_found bigint NOT NULL,
    works text COLLATE "C",
    debt text COLLATE "C",
    link text COLLATE "C",
    supersedes text COLLATE "C" NOT NULL,
    fact_seq bigint NOT NULL,
    known_us bigint NOT NULL,
    PRIMARY KEY (institution_id, merchant_id, fact_seq)
);

CREATE TABLE decisions (
    institution_id text COLLATE "C" NOT NULL,
    decision_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    as_of_us bigint NOT NULL,
    known_us bigint NOT NULL,
    merchant_seq bigint NOT NULL,
    fact_seq bigint NOT NULL,
    policy_digest text COLLATE "C" NOT NULL,
    catalogue_digest text COLLATE "C" NOT NULL,
    core_digest text COLLATE "C" NOT NULL,
    graph_digest text COLLATE "C" NOT NULL,
    peers_digest text COLLATE "C" NOT NULL,
    row_digest text COLLATE "C" NOT NULL,
    watermarks text COLLATE "C" NOT NULL,
    verdict text COLLATE "C" NOT NULL,
    cpu_micros bigint NOT NULL,
    PRIMARY KEY (institution_id, decision_id)
);

CREATE INDEX decisions_by_merchant ON decisions (institution_id, merchant_id, known_us, decision_id);

CREATE TABLE applications (
    institution_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    requested_fen bigint,
    requested_term_months bigint NOT NULL,
    consents text COLLATE "C" NOT NULL,
    session_started_us bigint,
    decision_id text COLLATE "C" NOT NULL,
    offer text COLLATE "C",
    line_id text COLLATE "C" NOT NULL,
    created_us bigint NOT NULL,
    changed_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, application_id)
);

CREATE INDEX applications_by_created ON applications (institution_id, created_us, application_id);

CREATE INDEX applications_by_merchant ON applications (institution_id, merchant_id, created_us, application_id);

CREATE TABLE credit_lines (
    institution_id text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    limit_fen bigint NOT NULL,
    reserved_fen bigint NOT NULL,
    drawn_fen bigint NOT NULL CHECK (reserved_fen >= 0 AND drawn_fen >= 0 AND reserved_fen + drawn_fen <= limit_fen),
    annual_rate text COLLATE "C" NOT NULL,
    term_months bigint NOT NULL,
    repayment_method text COLLATE "C" NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, line_id)
);

CREATE INDEX credit_lines_by_created ON credit_lines (institution_id, created_us, line_id);

CREATE INDEX credit_lines_by_merchant ON credit_lines (institution_id, merchant_id, created_us, line_id);

CREATE TABLE loans (
    institution_id text COLLATE "C" NOT NULL,
    loan_id text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    principal_fen bigint NOT NULL,
    annual_rate text COLLATE "C" NOT NULL,
    schedule text COLLATE "C" NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    rail_detail text COLLATE "C" NOT NULL,
    created_us bigint NOT NULL,
    changed_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, loan_id)
);

CREATE INDEX loans_by_created ON loans (institution_id, created_us, loan_id);

CREATE INDEX loans_by_merchant ON loans (institution_id, merchant_id, created_us, loan_id);

CREATE INDEX loans_by_line ON loans (institution_id, line_id, created_us, loan_id);

CREATE INDEX loans_by_state ON loans (institution_id, state, changed_us, loan_id);

CREATE TABLE transfers (
    institution_id text COLLATE "C" NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    loan_id text COLLATE "C" NOT NULL,
    payout_account_token text COLLATE "C" NOT NULL,
    amount_fen bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    headroom_fen bigint NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, transfer_id)
);

CREATE TABLE entries (
    institution_id text COLLATE "C" NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    line_number bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    amount_fen bigint NOT NULL,
    booked_us bigint NOT NULL,
    PRIMARY KEY (institution_id, transaction_id, line_number)
);

CREATE INDEX entries_by_account ON entries (institution_id, account, transaction_id, line_number);

CREATE TABLE requests (
    institution_id text COLLATE "C" NOT NULL,
    rpc text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    command_hash text COLLATE "C" NOT NULL,
    resource_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (institution_id, rpc, request_id)
);

CREATE TABLE quotas (
    institution_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    limit_fen bigint NOT NULL,
    used_fen bigint NOT NULL CHECK (used_fen >= 0 AND used_fen <= limit_fen),
    PRIMARY KEY (institution_id, name)
);

CREATE TABLE artefacts (
    institution_id text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (institution_id, digest)
);

CREATE TABLE graph_days (
    institution_id text COLLATE "C" NOT NULL,
    day text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    known_us bigint NOT NULL,
    PRIMARY KEY (institution_id, day)
);

CREATE TABLE peer_days (
    institution_id text COLLATE "C" NOT NULL,
    day text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    known_us bigint NOT NULL,
    PRIMARY KEY (institution_id, day)
);

CREATE TABLE active_policies (
    institution_id text COLLATE "C" NOT NULL,
    slot text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    since_us bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (institution_id, slot)
);
