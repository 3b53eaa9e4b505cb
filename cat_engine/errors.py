"""The error that a user can mend."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input: says what was expected, what came, where, and what to do.

    The command line prints it as one sentence and exits with status 2.
    """
