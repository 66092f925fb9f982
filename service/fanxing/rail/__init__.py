"""The payout rail's contract."""
