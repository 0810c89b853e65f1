"""What each rank of test_communicator runs."""

import sys

import numpy as np

from fxs_hpc.errors import DataError
from fxs_hpc.parallel.communicator import communicator, first, share


def main() -> None:
    ranks = communicator()
    assert ranks.broadcast(ranks.rank + 5) == 5
    assert ranks.gather(ranks.rank) == (list(range(ranks.size)) if ranks.rank == 0 else [])
    assert ranks.all_gather(ranks.rank) == list(range(ranks.size))
    assert ranks.all_to_all([10 * ranks.rank + other for other in range(ranks.size)]) == [
        10 * other + ranks.rank for other in range(ranks.size)
    ]
    assert ranks.sum(np.array([1.0, ranks.rank])).tolist() == [ranks.size, sum(range(ranks.size))]
    made = []
    array = share(ranks, lambda: made.append(1) or np.arange(6.0).reshape(2, 3))
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]] and len(made) == (ranks.node_rank == 0)
    ranks.barrier()
    array[1, ranks.rank] += 1
    ranks.barrier()
    assert array[1].tolist() == [3 + (ranks.size > 0), 4 + (ranks.size > 1), 5]
    try:
        first(ranks, lambda: fail())
    except DataError as error:
        assert "bad" in str(error)
    else:
        raise AssertionError("no error")
    assert first(ranks, lambda: first(ranks, lambda: 3) + 1) == 4
    try:
        first(ranks, lambda: ranks.barrier())
    except RuntimeError as error:
        assert ranks.size > 1 and "inside `first`" in str(error)
    print("fine", ranks.size, file=sys.stdout, flush=True)


def fail() -> None:
    raise DataError("bad")


if __name__ == "__main__":
    main()
