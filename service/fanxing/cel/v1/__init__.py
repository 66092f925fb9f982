"""Generated stubs of proto/fanxing/cel/v1."""
