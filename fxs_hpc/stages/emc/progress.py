"""How far a loop has come: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from fxs_hpc.parallel.communicator import Communicator
from fxs_hpc.stages.duration import duration

Item = TypeVar("Item")
EVERY = 30.0
"""Seconds between two lines of a log."""


def shown(items: Iterable[Item], total: int, what: str, ranks: Communicator, say: Callable[[str], None]) -> Iterator[Item]:
    """`items`, with the progress of rank 0 shown as that of all.

    Parameters
    ----------
    items : iterable
        Work of this rank.
    total : int
        Number of items of this rank.
    what : str
        Name of the work, for example "frames".
    """
    if ranks.rank == 0 and sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=f"  {what}", leave=False)
    elif ranks.rank == 0:
        yield from _lines(items, total, what, say)
    else:
        yield from items


def _lines(items: Iterable[Item], total: int, what: str, say: Callable[[str], None]) -> Iterator[Item]:
    start = last = time.monotonic()
    for done, item in enumerate(items):
        yield item
        now = time.monotonic()
        if now - last > EVERY and 0 < done + 1 < total:
            last = now
            left = (now - start) / (done + 1) * (total - done - 1)
            say(f"  {what}: {100 * (done + 1) // total} %, {duration(left)} left")
