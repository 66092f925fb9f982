"""Numbers into scores: published tree ensembles."""
