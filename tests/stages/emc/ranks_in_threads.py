"""Ranks as threads of one process: the interface of `Communicator` without a launcher."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from threading import Barrier
from typing import Any

import numpy as np


class _Board:
    def __init__(self, size: int) -> None:
        self.size, self.barrier, self.slots = size, Barrier(size, timeout=60), [None] * size


class ThreadRank:
    """One rank. Values are copied on their way, as MPI would."""

    def __init__(self, board: _Board, rank: int) -> None:
        self._board, self.rank, self.size = board, rank, board.size
        self.node_rank, self.node_size = rank, board.size

    def barrier(self) -> None:
        """Wait for all."""
        self._board.barrier.wait()

    def all_gather(self, value: Any) -> list[Any]:
        """Values of all ranks."""
        self._board.slots[self.rank] = value
        self.barrier()
        values = deepcopy(self._board.slots)
        self.barrier()
        return values

    def broadcast(self, value: Any) -> Any:
        """Value of rank 0."""
        return self.all_gather(value)[0]

    def gather(self, value: Any) -> list[Any]:
        """Values of all ranks on rank 0."""
        values = self.all_gather(value)
        return values if self.rank == 0 else []

    def all_to_all(self, values: list[Any]) -> list[Any]:
        """What each rank gave to this one."""
        return [given[self.rank] for given in self.all_gather(list(values))]

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Sum over ranks."""
        return np.sum(self.all_gather(array), axis=0)


def run(size: int, work: Callable[[ThreadRank], Any]) -> list[Any]:
    """What `work` returns on each of `size` ranks."""
    board = _Board(size)

    def one(rank: int) -> Any:
        try:
            return work(ThreadRank(board, rank))
        except BaseException:
            board.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))
