"""The exceptions of starloop. Their texts are the errors of the command line."""


class StarloopError(Exception):
    """An error of starloop. If a function of yours caused it, ``__cause__`` is the exception of that function."""


class UsageError(StarloopError, ValueError):
    """The arguments of a call cannot be used."""


class ConfigError(UsageError):
    """A config has a key or a value that cannot be used."""


class NotFoundError(UsageError, FileNotFoundError):
    """A config, model or file does not exist."""


class ModelError(StarloopError):
    """A checkpoint cannot be read, or the model failed."""


class RunError(StarloopError):
    """A run directory cannot be read or written."""


class VerifierError(StarloopError):
    """A verifier failed."""


class FileError(StarloopError, OSError):
    """A file cannot be read or written."""


class Cancelled(StarloopError):
    """The work was cancelled. Everything that was finished is kept."""
