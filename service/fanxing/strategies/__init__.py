"""Scores and numbers into a decision: strategies, limit and price."""
