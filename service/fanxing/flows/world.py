"""Everything the flows reach for, handed to them by `serve`: the store, the rail, the clocks and what is cached."""

from dataclasses import dataclass, field

from fanxing.flows.graphs import Graphs
from fanxing.flows.histories import Histories
from fanxing.flows.peers import PeersOnRecord
from fanxing.flows.policies import Policies
from fanxing.flows.ports import CpuTime, Now, Rail, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One per process."""

    store: Store
    rail: Rail
    now: Now
    cpu_time: CpuTime
    policies: Policies = field(default_factory=Policies)
    histories: Histories = field(default_factory=Histories)
    graphs: Graphs = field(default_factory=Graphs)
    peers: PeersOnRecord = field(default_factory=PeersOnRecord)
    paying: set[str] = field(default_factory=set)
    """Loans whose payout this process is waiting for; settlement leaves them alone."""
