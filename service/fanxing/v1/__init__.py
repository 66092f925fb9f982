"""Generated stubs of proto/fanxing/v1."""
