"""Generated from the vendored contract rules."""
