"""Envoy before two service processes on PostgreSQL."""
