"""DecisionService on the wire, and a decision as a message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import grpc

from fanxing.flows.evaluate import Evaluate, evaluate
from fanxing.flows.find import find
from fanxing.flows.world import World
from fanxing.strategies.decision import Decision, Outcome
from fanxing.v1 import decision_pb2, decision_service_pb2_grpc
from fanxing.v1 import decision_service_pb2 as pb
from fanxing.wire import convert
from fanxing.wire.merchants import moment_of
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import INSTITUTION
from fanxing.wire.watermarks import watermark_message

_OUTCOMES = {
    Outcome.APPROVED: decision_pb2.OUTCOME_APPROVED,
    Outcome.DECLINED: decision_pb2.OUTCOME_DECLINED,
    Outcome.REFERRED: decision_pb2.OUTCOME_REFERRED,
}


class DecisionServicer(decision_service_pb2_grpc.DecisionServiceServicer):
    """Converts, calls the flow, converts back."""

    def __init__(self, world: World, tariff: Tariff) -> None:
        self._world = world
        self._tariff = tariff

    async def GetDecision(
        self, request: pb.GetDecisionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetDecisionResponse:
        institution = INSTITUTION.get()
        decision = await find(institution, Decision, request.decision_id, self._world)
        return pb.GetDecisionResponse(decision=decision_message(decision, institution.currency, self._tariff))

    async def Evaluate(
        self, request: pb.EvaluateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.EvaluateResponse:
        institution = INSTITUTION.get()
        query = Evaluate(
            indicators=dict(request.indicators),
            category=request.category,
            requested_fen=requested_fen(request, institution.currency),
            requested_term_months=request.requested_term_months,
            effective_us=moment_of(request, "effective_time"),
        )
        decision = evaluate(institution, query, self._world)
        return pb.EvaluateResponse(decision=decision_message(decision, institution.currency, self._tariff))


def requested_fen(request: object, currency: str) -> int | None:
    """The optional amount that a request asks for."""
    if not request.HasField("requested_amount"):  # type: ignore[attr-defined]
        return None
    return convert.fen(request.requested_amount, currency, "requested_amount")  # type: ignore[attr-defined]


def decision_message(decision: Decision, currency: str, tariff: Tariff) -> decision_pb2.Decision:
    """A decision as a message, with what it cost by the tariff."""
    verdict = decision.verdict
    message = decision_pb2.Decision(
        decision_id=decision.decision_id,
        merchant_id=decision.merchant_id,
        outcome=_OUTCOMES[verdict.outcome],
        limit=convert.money(verdict.limit_fen, currency),
        annual_rate=_optional(verdict.annual_rate),
        term_months=verdict.term_months,
        expected_loss=_optional(verdict.expected_loss),
        as_of=convert.timestamp(decision.as_of_us),
        known_at=convert.timestamp(decision.known_us),
        merchant_seq=decision.merchant_seq,
        fact_seq=decision.fact_seq,
        policy_digest=decision.policy_digest,
        catalogue_digest=decision.catalogue_digest,
        core_digest=decision.core_digest,
        row_digest=decision.row_digest,
        graph_digest=decision.graph_digest,
        watermarks=map(watermark_message, decision.watermarks),
        peers_digest=decision.peers_digest,
    )
    _add_grounds(message, decision, currency)
    message.cost.cpu_micros = decision.cpu_micros
    message.cost.stored_bytes = message.ByteSize()
    message.cost.yuan.CopyFrom(convert.decimal(tariff.yuan(decision.cpu_micros, message.cost.stored_bytes)))
    return message


def _add_grounds(message: decision_pb2.Decision, decision: Decision, currency: str) -> None:
    """Everything that the verdict rests on."""
    verdict = decision.verdict
    for reason in verdict.reasons:
        effect = None if reason.effect_fen is None else convert.money(reason.effect_fen, currency)
        message.reasons.add(code=reason.code, sentence=reason.sentence, effect=effect)
    for score in verdict.scores:
        message.scores.add(
            model=score.model,
            margin=score.margin,
            probability=score.probability,
            probability_upper=score.probability_upper,
            artefact_digest=score.artefact_digest,
        )
    for hit in verdict.hits:
        message.hits.add(
            strategy=hit.strategy, reason_code=hit.reason_code, effect=hit.effect.value, unknown=hit.unknown
        )
    for cap in verdict.caps:
        amount = convert.money(cap.amount_fen, currency)
        message.caps.add(name=cap.name, amount=amount, binds=cap.binds, reason_code=cap.reason_code)
    for value in verdict.inputs:
        message.inputs.add(name=value.name, value=value.value)


def _optional(value: Decimal | None) -> object:
    return None if value is None else convert.decimal(value)
