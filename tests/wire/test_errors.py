"""Every error has one status and one reason, and every reason of the contract can be sent."""

import grpc

from fanxing import errors
from fanxing.v1.error_reason_pb2 import ErrorReason
from fanxing.wire.errors import TABLE, reason_of


def classes(base):
    for each in base.__subclasses__():
        yield each
        yield from classes(each)


def test_the_table_is_total():
    ours = {each for each in classes(errors.FanxingError) if each.__module__ == "fanxing.errors"}
    assert ours <= set(TABLE)


def test_every_reason_has_an_error():
    sent = {f"ERROR_REASON_{reason}" for _, reason in TABLE.values()}
    assert set(ErrorReason.keys()) - sent == {"ERROR_REASON_UNSPECIFIED", "ERROR_REASON_INTERNAL"}


def test_no_two_errors_share_a_reason():
    ours = [row for error, row in TABLE.items() if error.__module__ == "fanxing.errors"]
    assert len({reason for _, reason in ours}) == len(ours)


def test_no_error_is_ok_or_unknown():
    assert not {status for status, _ in TABLE.values()} & {grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN}


def test_a_reason_is_found_by_class():
    assert reason_of(errors.LimitExceeded("too much")) == ErrorReason.ERROR_REASON_LIMIT_EXCEEDED
