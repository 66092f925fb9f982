"""Whatever is sent wrongly gets a precise status, reason and field, and leaves nothing behind."""

import asyncio
import sys

import grpc
import pytest
from google.type.money_pb2 import Money
from tests.served import DAY_US, new_id, payment, refused, yuan

from fanxing.v1 import decision_service_pb2, lending_pb2, lending_service_pb2, payment_pb2, payment_service_pb2
from fanxing.v1.error_reason_pb2 import ErrorReason
from fanxing.wire import convert

STATUS = grpc.StatusCode


def reason(refusal):
    return ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_"), refusal.field


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount": yuan(20, "USD")}, ("CURRENCY_MISMATCH", "amount")),
        ({"amount": yuan(-20)}, ("AMOUNT_OUT_OF_RANGE", "amount")),
        ({"amount": yuan(0)}, ("AMOUNT_OUT_OF_RANGE", "amount")),
        ({"amount": yuan(10**14)}, ("AMOUNT_OUT_OF_RANGE", "amount")),
        ({"amount": Money(currency_code="CNY", nanos=1)}, ("AMOUNT_OUT_OF_RANGE", "amount")),
        ({"merchant_id": "nobody"}, ("MERCHANT_NOT_FOUND", "merchant_id")),
        ({"merchant_id": "no spaces"}, ("INVALID_REQUEST", "merchant_id")),
        ({"kind": payment_pb2.PAYMENT_KIND_UNSPECIFIED}, ("INVALID_REQUEST", "kind")),
        ({"kind": payment_pb2.PAYMENT_KIND_REFUND}, ("REFUND_REFERENCE_INVALID", "refund_of")),
        ({"refund_of": "r1"}, ("REFUND_REFERENCE_INVALID", "refund_of")),
        ({"payer_account_age_days": -1}, ("INVALID_REQUEST", "payer_account_age_days")),
        ({"payer_token": "someone\0"}, ("INVALID_REQUEST", "payer_token")),
        ({"device_token": "till 1"}, ("INVALID_REQUEST", "device_token")),
    ],
)
async def test_a_bad_payment_is_refused_alone(service, changes, expected):
    await service.register()
    bad = payment("m1", "bad", service.clock.us)
    bad.MergeFrom(
        payment_pb2.Payment(**{name: value for name, value in changes.items() if name not in {"amount", "kind"}})
    )
    if "amount" in changes:
        bad.amount.CopyFrom(changes["amount"])
    bad.kind = changes.get("kind", bad.kind)
    good = payment("m1", "good", service.clock.us)
    answer = await service.record(good, bad)
    assert (answer.accepted, [reason(each) for each in answer.refused]) == (1, [expected])
    assert answer.refused[0].index == 1


async def test_a_payment_of_the_far_future_is_refused(service):
    await service.register()
    answer = await service.record(payment("m1", "p1", service.clock.us + DAY_US))
    assert reason(answer.refused[0]) == ("TIME_IN_FUTURE", "occurred_at")


async def test_a_payment_id_with_other_contents_is_a_conflict_and_the_record_stays(service):
    await service.register()
    first, other = payment("m1", "p1", service.clock.us), payment("m1", "p1", service.clock.us, amount=yuan(21))
    assert (await service.record(first)).accepted == 1
    answer = await service.record(first, other)
    assert (answer.accepted, answer.duplicates) == (0, 1)
    assert reason(answer.conflicts[0]) == ("PAYMENT_CONFLICT", "payment_id")


async def test_one_id_twice_in_a_batch_counts_once(service):
    await service.register()
    twice = payment("m1", "p1", service.clock.us)
    answer = await service.record(twice, twice, payment("m1", "p1", service.clock.us, amount=yuan(9)))
    assert (answer.accepted, answer.duplicates, len(answer.conflicts)) == (1, 1, 1)


async def test_an_empty_batch_and_a_batch_too_large_are_refused_whole(service):
    await service.register()
    assert (await refused(service.record())).fields == ["payments"]
    many = [payment("m1", f"p{number}", service.clock.us) for number in range(1001)]
    assert (await refused(service.record(*many))).reason == "INVALID_REQUEST"


async def test_a_stream_is_totalled_and_places_run_through_it(service):
    await service.register()

    async def batches():
        for first in (0, 2):
            yield payment_service_pb2.RecordPaymentsRequest(
                payments=[
                    payment("m1", f"p{first}", service.clock.us),
                    payment("m1", f"q{first}", service.clock.us, amount=yuan(-1)),
                ]
            )

    total = await service.payments.RecordPayments(batches())
    assert (total.batches, total.accepted, [each.index for each in total.refused]) == (2, 2, [1, 3])


async def test_a_system_institution_may_not_say_what_time_it_is(service):
    await service.register()
    call = service.payments.RecordPaymentBatch(
        payment_service_pb2.RecordPaymentBatchRequest(
            payments=[payment("m1", "p1", service.clock.us)], effective_time=convert.timestamp(service.clock.us)
        )
    )
    said = await refused(call)
    assert (said.status, said.reason, said.fields) == (
        STATUS.INVALID_ARGUMENT, "EFFECTIVE_TIME_FORBIDDEN", ["effective_time"])  # fmt: skip


async def test_a_caller_institution_must_say_what_time_it_is_and_never_go_back(replayed):
    await replayed.register()
    missing = payment_service_pb2.RecordPaymentBatchRequest(payments=[payment("m1", "p0", replayed.clock.us)])
    assert (await refused(replayed.payments.RecordPaymentBatch(missing))).reason == "EFFECTIVE_TIME_REQUIRED"
    assert (await replayed.record(payment("m1", "p1", replayed.clock.us))).accepted == 1
    replayed.clock.us -= DAY_US
    answer = await replayed.record(payment("m1", "p2", replayed.clock.us))
    assert reason(answer.refused[0]) == ("EFFECTIVE_TIME_BACKWARDS", "effective_time")
    said = await refused(replayed.lending.Apply(replayed.application()))
    assert (said.status, said.reason) == (STATUS.FAILED_PRECONDITION, "EFFECTIVE_TIME_BACKWARDS")


async def test_a_system_clock_that_jumps_back_loses_nothing(service):
    await service.register()
    await service.record(payment("m1", "p1", service.clock.us))
    service.clock.us -= 3600_000_000
    answer = await service.record(payment("m1", "p2", service.clock.us))
    assert answer.accepted == 1


async def test_two_merchants_cannot_have_one_id(service):
    await service.register(name="Noodles")
    assert (await service.register(name="Noodles")).merchant.name == "Noodles"
    said = await refused(service.register(name="Buns"))
    assert (said.status, said.reason, said.fields) == (
        STATUS.ALREADY_EXISTS, "MERCHANT_EXISTS", ["merchant.merchant_id"])  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Noodles\0"},
        {"name": "Noo\ndles"},
        {"place": "a\x1b[31mb"},
        {"controller_token": "owner\0"},
        {"payout_account_token": "account of mine"},
        {"device_token": "\u7801"},
        {"time_zone": "../etc/passwd"},
        {"frontage": float("nan")},
    ],
)
async def test_a_merchant_with_what_no_sign_or_token_has_is_refused_by_its_field(service, changes):
    said = await refused(service.register("odd", **changes))
    (name,) = changes
    assert (said.status, said.reason) == (STATUS.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert said.fields == [f"merchant.{name}"]


async def test_a_name_in_any_script_and_an_empty_place_come_back_as_they_went(service):
    names = ("老王包子铺 №1", "Café 🍜\u200d🍳 \u202b\u0645\u0642\u0647\u0649\u202c", "a" * 200)
    for number, name in enumerate(names):
        registered = await service.register(f"odd-{number}", name=name, place="")
        assert registered.merchant.name == name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_an_indicator_that_is_no_number_is_refused(service, value):
    query = decision_service_pb2.EvaluateRequest(indicators={"evidence_b": value}, category="canteen")
    said = await refused(service.decisions.Evaluate(query))
    assert (said.status, said.reason) == (STATUS.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert said.fields == ["indicators[evidence_b]"]


@pytest.mark.parametrize("value", [-sys.float_info.max, -1e18, 1e18, sys.float_info.max])
async def test_any_finite_value_of_an_indicator_is_decided_on(service, value):
    """Caps stay within what money holds."""
    fair = {"sustainable_receipts_fen": 1e7, "evidence_b": 5000.0, "months_of_trade": 12.0, "last_limit_fen": 1e5}
    fair |= {"feed_lag_hours": 50.0, "credit_report_asked": 1.0}
    names = {*service.world.policies.active(service.institution).reads} - {"requested_term_months"}
    for changed in ({name: value} for name in sorted(names)):
        if "feed_lag_hours" in changed and value > 0:
            continue  # nothing is decided on that
        query = decision_service_pb2.EvaluateRequest(indicators=fair | changed, category="canteen")
        decision = (await service.decisions.Evaluate(query)).decision
        assert all(abs(cap.amount.units) <= 10**13 for cap in decision.caps), changed


async def test_a_request_id_is_good_for_one_request(service):
    await service.register()
    await service.trade()
    first = service.application()
    applied = await service.lending.Apply(first)
    again = await service.lending.Apply(first)
    assert again.application == applied.application
    first.purpose = "seed"
    said = await refused(service.lending.Apply(first))
    assert (said.status, said.reason, said.fields) == (STATUS.ALREADY_EXISTS, "REQUEST_ID_REUSED", ["request_id"])
    listed = await service.lending.ListApplications(lending_service_pb2.ListApplicationsRequest())
    assert len(listed.applications) == 1


async def test_an_unknown_merchant_cannot_apply(service):
    said = await refused(service.lending.Apply(service.application("nobody")))
    assert (said.status, said.reason, said.fields) == (STATUS.NOT_FOUND, "MERCHANT_NOT_FOUND", ["merchant_id"])


async def test_consents_must_be_there_and_hold(service):
    await service.register()
    late = service.application()
    late.consents[0].expires_at.CopyFrom(convert.timestamp(service.clock.us))
    assert (await refused(service.lending.Apply(late))).reason == "CONSENT_EXPIRED"
    other = service.application()
    other.consents[0].scope = "credit_report"
    assert (await refused(service.lending.Apply(other))).metadata == {"consent": "payments"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"purpose": "DROP TABLE"}, "purpose"),
        ({"requested_term_months": -1}, "requested_term_months"),
        ({"requested_term_months": 7}, "requested_term_months"),
        ({"requested_amount": yuan(5, "USD")}, "requested_amount"),
        ({"consents": []}, "consents"),
    ],
)
async def test_a_crooked_application_names_its_field(service, changes, field):
    await service.register()
    said = await refused(service.lending.Apply(service.application(**changes)))
    assert (said.status, said.fields) == (STATUS.INVALID_ARGUMENT, [field])


async def test_ids_that_name_nothing(service):
    nothing = new_id()
    for call, reason_said in (
        (
            service.lending.GetApplication(lending_service_pb2.GetApplicationRequest(application_id=nothing)),
            "APPLICATION",
        ),
        (service.lending.GetCreditLine(lending_service_pb2.GetCreditLineRequest(line_id=nothing)), "LINE"),
        (service.lending.GetLoan(lending_service_pb2.GetLoanRequest(loan_id=nothing)), "LOAN"),
        (
            service.lending.Disburse(
                lending_service_pb2.DisburseRequest(line_id=nothing, request_id=nothing, amount=yuan(1))
            ),
            "LINE",
        ),
    ):
        said = await refused(call)
        assert (said.status, said.reason) == (STATUS.NOT_FOUND, f"{reason_said}_NOT_FOUND")


@pytest.mark.parametrize("token", ["x", "e30=", "WzEsMiwzLDRd"])
async def test_a_made_up_page_token_is_refused(service, token):
    said = await refused(service.lending.ListLoans(lending_service_pb2.ListLoansRequest(page_token=token)))
    assert (said.reason, said.fields) == ("PAGE_TOKEN_INVALID", ["page_token"])


async def test_an_indicator_that_does_not_exist_is_named(service):
    from fanxing.v1 import merchant_service_pb2

    await service.register()
    request = merchant_service_pb2.GetIndicatorsRequest(merchant_id="m1", names=["receipts_count_30d", "luck"])
    said = await refused(service.merchants.GetIndicators(request))
    assert (said.reason, said.metadata) == ("INDICATOR_UNKNOWN", {"name": "luck"})


async def test_two_racing_draws_cannot_pass_the_limit(service):
    await service.register()
    await service.trade()
    line = await service.line()
    draws = [service.lending.Disburse(service.draw(line, line.limit)) for _ in range(8)]
    answers = await asyncio.gather(*draws, return_exceptions=True)
    paid = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(paid) == 1
    for error in answers:
        if isinstance(error, Exception):
            assert error.code() in {STATUS.FAILED_PRECONDITION, STATUS.ABORTED}
    after = (
        await service.lending.GetCreditLine(lending_service_pb2.GetCreditLineRequest(line_id=line.line_id))
    ).credit_line
    assert after.drawn == line.limit
    assert after.available.units == 0
    assert paid[0].loan.state == lending_pb2.LOAN_STATE_ACTIVE
