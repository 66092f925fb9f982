-- Two roles. The owner migrates; fanxing_app serves: it may add rows and advance those that carry a version, and
-- neither deletes anything nor rewrites the log, the ledger or a decision.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fanxing_app') THEN
        CREATE ROLE fanxing_app;
        EXECUTE format('GRANT fanxing_app TO %I', current_user);
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO fanxing_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO fanxing_app;
REVOKE INSERT ON migrations FROM fanxing_app;
GRANT UPDATE ON merchants, controllers, feeds, applications, credit_lines, loans, transfers, quotas, active_policies TO fanxing_app;

-- Rows of another institution do not exist for a unit of work, the owner's own included. The table of institutions
-- itself stays open: a service reads at its start which there are.
DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY[
        'merchants', 'controllers', 'payments', 'feeds', 'watermarks', 'facts', 'decisions', 'applications',
        'credit_lines', 'loans', 'transfers', 'entries', 'requests', 'quotas', 'artefacts', 'graph_days', 'peer_days',
        'active_policies'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format(
            'CREATE POLICY own_institution ON %I USING (institution_id = current_setting(''fanxing.institution'', true))',
            guarded
        );
    END LOOP;
END
$$;

-- The second guard of the ledger, after the one in ledger.py: at commit every transaction sums to zero.
CREATE FUNCTION entries_sum_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
BEGIN
    SELECT sum(amount_fen) INTO total FROM entries
    WHERE institution_id = NEW.institution_id AND transaction_id = NEW.transaction_id;
    IF total <> 0 THEN
        RAISE EXCEPTION 'transaction % sums to % fen', NEW.transaction_id, total USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER entries_sum_to_zero AFTER INSERT ON entries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_sum_to_zero();

-- One unit of work in one round trip, seen and done as one institution. STABLE makes all statements of a read use the
-- snapshot of the call. $1 of a statement is its argument, $2 the institution.
CREATE FUNCTION read_unit(institution text, statements text[], arguments json[]) RETURNS json[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    answer json;
    answers json[] := '{}';
BEGIN
    PERFORM set_config('fanxing.institution', institution, true);
    FOR place IN 1 .. cardinality(statements) LOOP
        EXECUTE statements[place] INTO answer USING arguments[place], institution;
        answers := answers || answer;
    END LOOP;
    RETURN answers;
END
$$;

-- Error FX001, whose message is the place of the statement, when one changes fewer rows than it must.
CREATE FUNCTION change_unit(institution text, statements text[], arguments json[], rows_min bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    PERFORM set_config('fanxing.institution', institution, true);
    FOR place IN 1 .. cardinality(statements) LOOP
        EXECUTE statements[place] USING arguments[place], institution;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed < rows_min[place] THEN
            RAISE EXCEPTION USING ERRCODE = 'FX001', MESSAGE = (place - 1)::text;
        END IF;
    END LOOP;
END
$$;
