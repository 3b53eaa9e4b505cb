"""The error that a user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "suggestion"]


class InputError(ValueError):
    """Bad input: says what was expected, what came, where, and what to do.

    The command line prints it as one sentence and exits with status 2.
    """


def suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    """Say which of the `known` names was probably meant by `word`, else `otherwise`.

    Case does not count: who comes from another program writes ``2PL`` and ``MFI``.
    """
    lowered: dict[str, str] = {}
    for name in known:
        lowered.setdefault(name.lower(), name)
    near = get_close_matches(word.lower(), lowered, 1)
    return f"did you mean '{lowered[near[0]]}'?" if near else otherwise
