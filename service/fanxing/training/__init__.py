"""Fits reference models from data sets."""
