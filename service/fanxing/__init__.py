"""Fanxing: an open engine for instant loans to the smallest merchants."""
