"""Ranks that work together: one interface, with MPI behind it or nothing at all.

A stage is written once, for `Communicator`. Alone (no launcher) it gets `Alone`, which costs nothing and imports no MPI.
"""

import os
import platform
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Value = TypeVar("Value")

LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS")
"""Variables that a launcher of MPI ranks sets (Open MPI, MPICH and Intel MPI, srun with PMIx, Hydra)."""


class Communicator(Protocol):
    """What a stage asks of its fellow ranks. All methods but the attributes are collective: every rank calls them, in the same order."""

    rank: int
    size: int
    solo: bool
    """Whether this rank is inside `first`, where the others wait for it."""

    @property
    def node_rank(self) -> int:
        """Number of this rank among those that share memory with it."""
        ...

    @property
    def node_size(self) -> int:
        """Number of ranks that share memory with this one, itself included."""
        ...

    def barrier(self) -> None:
        """Wait for all."""
        ...

    def broadcast(self, value: Value) -> Value:
        """`value` of rank 0, on every rank."""
        ...

    def gather(self, value: Value) -> list[Value]:
        """Values of all ranks in order on rank 0; an empty list on the others."""
        ...

    def all_gather(self, value: Value) -> list[Value]:
        """Values of all ranks in order, on every rank."""
        ...

    def all_to_all(self, values: Sequence[Value]) -> list[Value]:
        """Give `values[r]` to rank r; return what each rank gave to this one."""
        ...

    def sum(self, array: NDArray) -> NDArray:
        """Sum of the arrays (one shape and type) of all ranks, on every rank; the order of summation is not fixed."""
        ...

    def shared(self, shape: int | Sequence[int], dtype: DTypeLike) -> NDArray:
        """Array of zeros held once per node: all ranks of a node see the same memory. Fill it on one of them, then `barrier`."""
        ...

    def abort(self, exit_code: int) -> None:
        """End all ranks at once."""
        ...


class Alone:
    """One rank, no MPI."""

    rank = 0
    size = 1
    solo = False
    node_rank = 0
    node_size = 1

    def barrier(self) -> None:
        """Nobody to wait for."""

    def broadcast(self, value: Value) -> Value:
        """`value`."""
        return value

    def gather(self, value: Value) -> list[Value]:
        """`[value]`."""
        return [value]

    def all_gather(self, value: Value) -> list[Value]:
        """`[value]`."""
        return [value]

    def all_to_all(self, values: Sequence[Value]) -> list[Value]:
        """`values`."""
        return list(values)

    def sum(self, array: NDArray) -> NDArray:
        """A copy of `array`."""
        return array.copy()

    def shared(self, shape: int | Sequence[int], dtype: DTypeLike) -> NDArray:
        """Zeros."""
        return np.zeros(shape, dtype)

    def abort(self, exit_code: int) -> None:
        """Nobody else to end."""


class Mpi:
    """The ranks of MPI's world."""

    def __init__(self) -> None:
        # UCX has no one-sided transport for shared memory on many machines, and says so on every start.
        os.environ.setdefault("OMPI_MCA_osc", "^ucx")
        from mpi4py import MPI

        self._mpi = MPI
        self._all = MPI.COMM_WORLD
        self._node = self._all.Split_type(MPI.COMM_TYPE_SHARED)
        self._windows: list[Any] = []
        self.rank: int = self._all.rank
        self.size: int = self._all.size
        self.solo = False

    @property
    def _world(self) -> Any:
        """All ranks, for something that they do together."""
        if self.solo:
            raise RuntimeError("ranks were to do something together inside `first`, which one of them runs")
        return self._all

    @property
    def node_rank(self) -> int:
        """Number of this rank on its node."""
        return int(self._node.rank)

    @property
    def node_size(self) -> int:
        """Number of ranks on this node."""
        return int(self._node.size)

    def barrier(self) -> None:
        """Wait for all."""
        self._world.Barrier()

    def broadcast(self, value: Value) -> Value:
        """`value` of rank 0."""
        return self._world.bcast(value)

    def gather(self, value: Value) -> list[Value]:
        """Values of all ranks on rank 0."""
        return self._world.gather(value) or []

    def all_gather(self, value: Value) -> list[Value]:
        """Values of all ranks."""
        return self._world.allgather(value)

    def all_to_all(self, values: Sequence[Value]) -> list[Value]:
        """Exchange one value with every rank."""
        return self._world.alltoall(list(values))

    def sum(self, array: NDArray) -> NDArray:
        """Sum over ranks."""
        array = np.ascontiguousarray(array)
        total = np.empty_like(array)
        self._world.Allreduce(array, total)
        return total

    def shared(self, shape: int | Sequence[int], dtype: DTypeLike) -> NDArray:
        """Zeros in a window shared by the ranks of this node; freed when the program ends."""
        dtype = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        window = self._mpi.Win.Allocate_shared(count * dtype.itemsize if self.node_rank == 0 else 0, dtype.itemsize, comm=self._node)  # type: ignore[arg-type]
        self._windows.append(window)
        buffer, _ = window.Shared_query(0)
        array: NDArray = np.ndarray(shape, dtype, buffer=buffer)  # type: ignore[arg-type]
        if self.node_rank == 0:
            array[...] = 0
        self._node.Barrier()
        return array

    def abort(self, exit_code: int) -> None:
        """End all ranks at once."""
        self._all.Abort(exit_code)


def communicator() -> Communicator:
    """The ranks this process was launched with."""
    return Mpi() if any(name in os.environ for name in LAUNCHED) else Alone()


def first(ranks: Communicator, function: Callable[[], Value]) -> Value:
    """What `function` returns on rank 0, on every rank; what it raises there is raised everywhere.

    `function` may use `first` itself, but nothing else that ranks do together.
    """
    if ranks.solo:
        return function()
    outcome = _alone(ranks, function) if ranks.rank == 0 else (None, None)
    value, failure = ranks.broadcast(outcome)
    if failure is not None:
        failure.raised_everywhere = True  # type: ignore[attr-defined]
        raise failure
    return value  # type: ignore[return-value]


def _alone(ranks: Communicator, function: Callable[[], Value]) -> tuple[Value | None, Exception | None]:
    ranks.solo = True
    try:
        return function(), None
    except Exception as error:
        return None, error
    finally:
        ranks.solo = False


def share(ranks: Communicator, values: Callable[[], NDArray]) -> NDArray:
    """`values()` held once per node; computed by the first rank of each node."""
    if ranks.size == 1:
        return values()
    made = values() if ranks.node_rank == 0 else None
    shape, dtype = ranks.broadcast((made.shape, made.dtype) if made is not None else None) or ((), float)
    array = ranks.shared(shape, dtype)
    if made is not None:
        array[...] = made
    ranks.barrier()
    return array


def is_everywhere(error: BaseException) -> bool:
    """Whether `first` has raised `error` on every rank."""
    return getattr(error, "raised_everywhere", False)


def name(ranks: Communicator) -> str:
    """This rank in words, for messages."""
    return f"rank {ranks.rank} of {ranks.size} on {platform.node()}"
