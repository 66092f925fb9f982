"""How Fanxing is run beside other programs."""
