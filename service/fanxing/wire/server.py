"""Assembles the gRPC server: interceptors in reading order, one servicer per service, health, reflection on request."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from fanxing.flows.world import World
from fanxing.v1 import (
    decision_service_pb2,
    decision_service_pb2_grpc,
    lending_service_pb2,
    lending_service_pb2_grpc,
    merchant_service_pb2,
    merchant_service_pb2_grpc,
    payment_service_pb2,
    payment_service_pb2_grpc,
)
from fanxing.wire.decisions import DecisionServicer
from fanxing.wire.interceptors import Gate
from fanxing.wire.lending import LendingServicer
from fanxing.wire.merchants import MerchantServicer
from fanxing.wire.payments import PaymentServicer
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import Tenants

MESSAGE_BYTES_MAX = 1 << 20
"""A batch of 1,000 payments is about 250 kB; nothing honest is larger than this."""
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", 128),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.so_reuseport", 0),
)
SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (payment_service_pb2, "PaymentService"),
        (merchant_service_pb2, "MerchantService"),
        (lending_service_pb2, "LendingService"),
        (decision_service_pb2, "DecisionService"),
    )
)


def build_server(
    world: World, tenants: Tenants, tariff: Tariff, *, reflect: bool
) -> tuple[grpc.aio.Server, HealthServicer]:
    """A server that is not started yet, and the health that it reports."""
    server = grpc.aio.server(interceptors=(Gate(tenants),), options=OPTIONS)
    payment_service_pb2_grpc.add_PaymentServiceServicer_to_server(PaymentServicer(world), server)
    merchant_service_pb2_grpc.add_MerchantServiceServicer_to_server(MerchantServicer(world), server)
    lending_service_pb2_grpc.add_LendingServiceServicer_to_server(LendingServicer(world, tariff), server)
    decision_service_pb2_grpc.add_DecisionServiceServicer_to_server(DecisionServicer(world, tariff), server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if reflect:
        names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    return server, health


async def report_health(health: HealthServicer, *, serving: bool) -> None:
    """Tells the edge whether to send calls."""
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for service in ("", *SERVICES):
        await health.set(service, status)
