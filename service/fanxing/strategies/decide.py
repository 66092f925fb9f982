"""decide: scores and row -> verdict. Strategies, limit, price; nothing but what is passed in decides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fanxing.models.score import Score
from fanxing.strategies.decision import Cap, Effect, Hit, Input, Outcome, Reason, Verdict
from fanxing.strategies.feed_lag import refuse_stale
from fanxing.strategies.limit import limit
from fanxing.strategies.policy import Policy
from fanxing.strategies.price import expected_loss, price


@dataclass(frozen=True, slots=True)
class _Terms:
    """What could be offered: months, every cap, the limit in fen, the rate (None: dearer than the cap allows)."""

    months: int
    caps: tuple[Cap, ...]
    limit_fen: int
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class _Case:
    """One row before one policy. `values` holds what is present, and no NaN."""

    policy: Policy
    values: dict[str, float]
    scores: tuple[Score, ...]
    category: str

    @property
    def pd(self) -> Score:
        """The score that limit and price stand on."""
        return next(score for score in self.scores if score.model == self.policy.constants.limit.pd_model)

    def limit(self, months: int, **changed: float) -> tuple[tuple[Cap, ...], int]:
        """Caps and limit over a term, with some values changed."""
        rules, upper = self.policy.constants.limit, self.pd.probability_upper
        return limit(rules, self.values | changed, upper, self.category, months)

    def expected_loss(self, months: int, rate: Decimal) -> Decimal:
        """As a share of the principal."""
        return expected_loss(self.policy.constants.price, self.policy.product, self.pd.probability, months, rate)

    def hits(self) -> tuple[Hit, ...]:
        """What the strategies say, in the order of their importance."""
        values = self.values | {f"s.{score.model}": score.probability for score in self.scores}
        found = (strategy.try_on(values) for strategy in self.policy.strategies)
        return tuple(hit for hit in found if hit is not None)

    def terms(self) -> _Terms:
        """The longest term, up to the one asked for, at which the price stays below the cap."""
        constants, pd = self.policy.constants, self.pd.probability
        asked = int(self.values["requested_term_months"])
        longest: _Terms | None = None
        for months in sorted((months for months in constants.product.terms_months if months <= asked), reverse=True):
            caps, limit_fen = self.limit(months)
            rate = None
            if limit_fen >= constants.limit.min_fen:
                rate = price(constants.price, constants.product, pd, limit_fen, months)
            terms = _Terms(months, caps, limit_fen, rate)
            longest = longest or terms
            if rate is not None or limit_fen < constants.limit.min_fen:
                return terms if rate is not None else longest
        assert longest is not None, "the term asked for is one of the product's"
        return longest


def decide(policy: Policy, values: Mapping[str, float], scores: Sequence[Score], category: str) -> Verdict:
    """The verdict of a policy on the indicators that are present, by name; what it does not read does not count.

    FeedStale where receipts have been unknown for longer than it decides on, or than it gives a first limit on.
    """
    present = {name: values[name] for name in policy.reads if name in values}
    lag, first = present.get("feed_lag_hours", 0.0), not present.get("last_limit_fen")
    refuse_stale(policy.constants.limit.feed_lag, lag, grows=first)
    case = _Case(policy, present, tuple(scores), category)
    hits, terms = case.hits(), case.terms()
    outcome = _outcome(policy, hits, terms)
    approved = outcome is Outcome.APPROVED
    rate = terms.rate if approved else None
    return Verdict(
        outcome=outcome,
        limit_fen=terms.limit_fen if approved else 0,
        annual_rate=rate,
        term_months=terms.months if approved else 0,
        expected_loss=None if rate is None else case.expected_loss(terms.months, rate),
        reasons=tuple(_reasons(case, hits, terms)),
        scores=case.scores,
        hits=hits,
        caps=terms.caps,
        inputs=tuple(Input(name=name, value=present.get(name)) for name in policy.reads),
    )


def _outcome(policy: Policy, hits: tuple[Hit, ...], terms: _Terms) -> Outcome:
    effects = {hit.effect for hit in hits if not hit.unknown}
    if Effect.DECLINE in effects or terms.limit_fen < policy.constants.limit.min_fen or terms.rate is None:
        return Outcome.DECLINED
    return Outcome.REFERRED if Effect.REFER in effects else Outcome.APPROVED


def _reasons(case: _Case, hits: tuple[Hit, ...], terms: _Terms) -> Iterator[Reason]:
    """Strategies that hit, declining ones first; then the cap that binds, the works before the door, and the price."""
    constants = case.policy.constants
    sentences = {strategy.name: strategy.sentence for strategy in case.policy.strategies}
    firm = [hit for hit in hits if not hit.unknown]
    for hit in sorted(firm, key=lambda hit: hit.effect is not Effect.DECLINE):
        yield Reason(code=hit.reason_code, sentence=sentences[hit.strategy])
    binding = next(cap for cap in terms.caps if cap.binds)
    yield Reason(code=binding.reason_code, sentence=constants.sentences[binding.reason_code])
    _, undisturbed = case.limit(terms.months, works_metro_exposure=0.0, works_pipes_exposure=0.0)
    if undisturbed > terms.limit_fen:
        effect = undisturbed - terms.limit_fen
        yield Reason(code="WORKS_NEARBY", sentence=constants.sentences["WORKS_NEARBY"], effect_fen=effect)
    if terms.rate is None and terms.limit_fen >= constants.limit.min_fen:
        yield Reason(code="PRICE_ABOVE_CAP", sentence=constants.sentences["PRICE_ABOVE_CAP"])
