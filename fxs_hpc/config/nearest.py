"""Suggestions for names that are not known."""

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`" (did you mean 'a' or 'b'?)"` for the nearest of `known`, or an empty string where nothing is near (likeness >= cutoff)."""
    matches = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=cutoff)
    if not matches:
        return ""
    return " (did you mean " + " or ".join(repr(match) for match in matches) + "?)"
