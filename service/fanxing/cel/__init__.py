"""CEL's checked syntax tree."""
