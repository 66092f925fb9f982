"""Payments and facts into numbers, as known at any moment."""
