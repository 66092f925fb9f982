"""Who may call, as configured: nobody from elsewhere without tokens, and a crooked file of institutions is refused."""

import hashlib

import pytest
from pydantic import ValidationError

from fanxing.errors import InvalidRequest
from fanxing.settings import Settings, tenancies


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "bank.example:1", "localhost.bank.example:1", "10.0.0.1:1"])
def test_without_tokens_the_service_listens_on_loopback_only(listen):
    with pytest.raises(InvalidRequest, match="loopback"):
        tenancies(Settings(listen=listen))


@pytest.mark.parametrize("listen", [":1", "1", "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http"])
def test_what_is_no_address_and_port_is_refused(listen):
    with pytest.raises(ValidationError, match="is not HOST:PORT"):
        Settings(listen=listen)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_on_loopback_one_institution_is_for_anyone(listen):
    (only,) = tenancies(Settings(listen=listen))
    assert (only.institution_id, only.token_sha256) == ("demo", None)


def bank_lines(**changes):
    values = {
        "institution_id": "east",
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "clock": "SYSTEM",
        "token_sha256": sha256("east-token"),
    } | changes
    return "\n".join(
        ["[[institution]]", *(f"{name} = {value!r}" for name, value in values.items() if value is not None), ""]
    )


def test_with_tokens_the_service_may_listen_anywhere(tmp_path):
    path = tmp_path / "institutions.toml"
    path.write_text(bank_lines() + bank_lines(institution_id="west", token_sha256=sha256("west-token")))
    found = tenancies(Settings(listen="0.0.0.0:1", institutions=path))
    assert [each.institution_id for each in found] == ["east", "west"]


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"[[institution",
        b"\xff\xfe",
        b"institution = 1",
        (bank_lines() + bank_lines(institution_id="west")).encode(),
        (bank_lines() + bank_lines(token_sha256=sha256("west-token"))).encode(),
        (bank_lines() + bank_lines(institution_id="west", token_sha256=None)).encode(),
        (bank_lines() + "[[institutions]]\n").encode(),
        bank_lines(token_sha256="east-token").encode(),
        bank_lines(token_sha256=sha256("east-token").upper()).encode(),
        bank_lines(institution_id="East Bank").encode(),
        bank_lines(currency="yuan").encode(),
        bank_lines(time_zone="Asia/Atlantis").encode(),
        bank_lines(time_zone="../../etc/passwd").encode(),
        bank_lines(clock="SUNDIAL").encode(),
        bank_lines(funding_fen=-1).encode(),
        bank_lines(token="east-token").encode(),
    ],
)
def test_a_malformed_file_of_institutions_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "institutions.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"institutions\.toml") as caught:
        tenancies(Settings(listen="127.0.0.1:1", institutions=path))
    assert caught.value.field == "institutions"
    assert "'east-token'" not in caught.value.message, "a message may end in a log"


@pytest.mark.parametrize(("name", "value"), [("currency", "yuan"), ("time_zone", "Asia/Atlantis")])
def test_crooked_terms_of_the_demo_institution_are_refused(name, value):
    with pytest.raises(ValidationError, match=value):
        tenancies(Settings(**{name: value}))
