"""The payout rail through its gRPC contract. Silence, and whatever is unclear, is UNKNOWN and never a failure."""

from collections.abc import Awaitable

import grpc
import structlog

from fanxing.errors import AmountOutOfRange
from fanxing.flows.ports import RailAnswer, RailState
from fanxing.institutions import Institution
from fanxing.ledger import Transfer
from fanxing.rail.v1 import payout_rail_service_pb2 as pb
from fanxing.rail.v1 import payout_rail_service_pb2_grpc
from fanxing.wire import convert

DETAIL_MAX = 500
log = structlog.get_logger()
_STATES = {
    pb.TRANSFER_STATE_PAID: RailState.PAID,
    pb.TRANSFER_STATE_REFUSED: RailState.REFUSED,
    pb.TRANSFER_STATE_CANCELLED: RailState.CANCELLED,
    pb.TRANSFER_STATE_RETURNED: RailState.RETURNED,
    pb.TRANSFER_STATE_IN_FLIGHT: RailState.IN_FLIGHT,
}


class GrpcRail:
    """A Rail at a gRPC target."""

    def __init__(self, channel: grpc.aio.Channel, *, simulated: bool, timeout_s: float) -> None:
        self.simulated = simulated
        self._channel = channel
        self._stub = payout_rail_service_pb2_grpc.PayoutRailServiceStub(channel)
        self._timeout_s = timeout_s

    async def pay(self, institution: Institution, transfer: Transfer) -> RailAnswer:
        """Pays once per transfer id."""
        request = pb.PayRequest(
            transfer_id=transfer.transfer_id,
            institution_id=institution.institution_id,
            payout_account_token=transfer.payout_account_token,
            amount=convert.money(transfer.amount_fen, institution.currency),
        )
        return await self._ask(transfer.transfer_id, self._stub.Pay(request, timeout=self._timeout_s))

    async def query(self, transfer_id: str) -> RailAnswer:
        """Tells what became of a transfer."""
        request = pb.QueryRequest(transfer_id=transfer_id)
        return await self._ask(transfer_id, self._stub.Query(request, timeout=self._timeout_s))

    async def cancel(self, transfer_id: str) -> RailAnswer:
        """Refuses the id for ever unless it is paid."""
        request = pb.CancelRequest(transfer_id=transfer_id)
        return await self._ask(transfer_id, self._stub.Cancel(request, timeout=self._timeout_s))

    async def close(self) -> None:
        """Lets go of the channel."""
        await self._channel.close()

    async def _ask(
        self, transfer_id: str, call: Awaitable[pb.PayResponse | pb.QueryResponse | pb.CancelResponse]
    ) -> RailAnswer:
        try:
            transfer = (await call).transfer
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return RailAnswer(RailState.NOT_FOUND)
            log.warning("rail silent", transfer_id=transfer_id, status=error.code().name, detail=error.details())
            return RailAnswer(RailState.UNKNOWN, error.code().name)
        if transfer.transfer_id != transfer_id:
            log.error("rail answered about another transfer", asked=transfer_id, got=transfer.transfer_id)
            return RailAnswer(RailState.UNKNOWN, "answered about another transfer")
        state, currency = _STATES.get(transfer.state, RailState.UNKNOWN), transfer.amount.currency_code
        return RailAnswer(state, _printable(transfer.detail), currency, _amount_fen(transfer))


def _printable(detail: str) -> str:
    """The bank's words, cut and without what no store or terminal should be handed."""
    return "".join(character for character in detail[:DETAIL_MAX] if character.isprintable())


def _amount_fen(transfer: pb.Transfer) -> int | None:
    try:
        return convert.fen(transfer.amount, transfer.amount.currency_code, "amount")
    except AmountOutOfRange:
        return None
