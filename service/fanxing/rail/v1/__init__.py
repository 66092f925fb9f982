"""Generated stubs of proto/fanxing/rail/v1."""
