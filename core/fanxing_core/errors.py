"""What is wrong with a model file or artefact."""


class ModelError(ValueError):
    """A model that cannot be used: damaged, unsupported, or answering otherwise than the library that trained it."""
