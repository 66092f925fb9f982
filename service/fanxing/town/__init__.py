"""The simulated market town."""
