"""Configuration, read once: environment variables FANXING_*, then the options of the command line."""

import tomllib
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fanxing.errors import InvalidRequest
from fanxing.institutions import Clock, Institution

TOWN_POLICY = Path(__file__).parent / "policies" / "town"
DEMO = "demo"
PORT_MAX = 65_535


class Settings(BaseSettings):
    """Everything that `serve` is told."""

    model_config = SettingsConfigDict(env_prefix="FANXING_", frozen=True, extra="forbid")

    listen: str = Field("127.0.0.1:50051", description="HOST:PORT; port 0 takes a free one")
    store: str = Field("sqlite:///var/fanxing.sqlite", description="memory:, sqlite:///PATH or postgresql://...")
    store_owner: str | None = Field(None, description="PostgreSQL URL of the owner role, to migrate at start")
    policy: Path | None = Field(None, description="policy directory to publish at start")
    institutions: Path | None = Field(None, description="TOML file of institutions and their tokens")
    currency: str = Field("CNY", description="of institution demo, where no file of institutions is given")
    time_zone: str = Field("Asia/Shanghai", description="of institution demo")
    clock: Clock = Field(Clock.SYSTEM, description="of institution demo")
    rail: str | None = Field(None, description="HOST:PORT of the payout rail; none: the simulator")
    rail_simulated: bool = Field(default=False, description="the rail at that address is a simulator")
    rail_journal: Path = Field(Path("var/rail.jsonl"), description="journal of the embedded rail simulator")
    rail_timeout_s: float = Field(5.0, gt=0, le=60)
    settle_every_s: float = Field(2.0, gt=0)
    returns_every_s: float = Field(600.0, gt=0)
    reflection: bool = Field(default=False, description="answer gRPC server reflection")
    vcpu_second_yuan: Decimal = Decimal("0.00017")
    gigabyte_kept_yuan: Decimal = Decimal(60)

    @field_validator("listen")
    @classmethod
    def _has_a_port(cls, listen: str) -> str:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > PORT_MAX:
            raise ValueError(f"{listen!r} is not HOST:PORT")
        return listen

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0]

    def on_loopback(self) -> bool:
        """Whether only this machine can call."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of the IANA data base") from error
    return name


class Tenancy(BaseModel):
    """One institution of the file: what it is, the SHA-256 (hex) of its token, what its funder lends at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    institution_id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    time_zone: Annotated[str, AfterValidator(_known_time_zone)]
    clock: Clock
    token_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    funding_fen: int | None = Field(None, ge=0)

    def institution(self) -> Institution:
        """The institution itself."""
        return Institution(
            institution_id=self.institution_id, currency=self.currency, time_zone=self.time_zone, clock=self.clock
        )


class _Register(BaseModel):
    """The whole file of institutions. What is wrong in it is told without the values: one may be a token."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    institution: tuple[Tenancy, ...] = Field(min_length=1)

    @field_validator("institution")
    @classmethod
    def _each_its_own(cls, found: tuple[Tenancy, ...]) -> tuple[Tenancy, ...]:
        for name in ("institution_id", "token_sha256"):
            values = [getattr(each, name) for each in found]
            if None in values or len(set(values)) < len(values):
                raise ValueError(f"every institution needs {name} of its own")
        return found


def tenancies(settings: Settings) -> tuple[Tenancy, ...]:
    """The institutions to serve: those of the file, each with a token, or `demo` for anyone on loopback."""
    if settings.institutions is None:
        if not settings.on_loopback():
            raise InvalidRequest("without tokens the service listens on loopback only; give --institutions FILE")
        return (
            Tenancy(
                institution_id=DEMO,
                currency=settings.currency,
                time_zone=settings.time_zone,
                clock=settings.clock,
                token_sha256=None,
                funding_fen=None,
            ),
        )
    try:
        text = tomllib.loads(settings.institutions.read_text(encoding="utf-8"))
        return _Register.model_validate(text).institution
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{settings.institutions}: {error}", field="institutions") from error
