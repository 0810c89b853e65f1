"""iter_flag-N: the results of one flag, there as a whole or not at all."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fxs_hpc.emc.probabilities import Assignment
from fxs_hpc.files.atomic_folder import put_in_place, temporary_folder
from fxs_hpc.files.emc import emc_state, probabilities
from fxs_hpc.parallel.communicator import Communicator, first
from fxs_hpc.parallel.partition import block


def flag_folders(folder: Path) -> dict[int, Path]:
    """The complete iter_flag-N folders by their numbers, ascending."""
    found = {int(match[1]): path for path in folder.glob("iter_flag-*") if (match := re.fullmatch(r"iter_flag-(\d+)", path.name))}
    return dict(sorted(found.items()))


def last_state(folder: Path) -> Path | None:
    """The state of the last flag from which a run can go on."""
    states = [path / emc_state.NAME for path in flag_folders(folder).values()]
    return next((path for path in reversed(states) if path.is_file()), None)


def write_flag(
    ranks: Communicator, folder: Path, number: int, assignment: Assignment, first_frame: int, parts: int, write: Callable[[Path], None]
) -> None:
    """Make iter_flag-N of one flag.

    Parameters
    ----------
    folder : Path
        prob_dir.
    assignment : Assignment
        Of this rank's frames, which begin with `first_frame`; rotations are numbers among all samples.
    parts : int
        Number of high_p files.
    write : callable
        Writes all other files into a folder; called on rank 0.
    """
    final = folder / f"iter_flag-{number}"
    temporary = first(ranks, lambda: temporary_folder(final))
    for part, frames in _gathered_parts(ranks, assignment, first_frame, parts):
        probabilities.write(temporary / f"high_p-{part}.dat", frames)
    first(ranks, lambda: write(temporary))
    ranks.barrier()
    first(ranks, lambda: put_in_place(temporary, final))


def _gathered_parts(ranks: Communicator, assignment: Assignment, first_frame: int, parts: int) -> list[tuple[int, Assignment]]:
    """The parts that this rank writes, put together from the ranks that have their frames."""
    stop_frame = first_frame + len(assignment.first) - 1
    total = max(ranks.all_gather(stop_frame))
    sent: list[list[tuple[int, int, Assignment]]] = [[] for _ in range(ranks.size)]
    for part in range(parts):
        low, high = (min(max(edge, first_frame), stop_frame) for edge in block(total, part, parts))
        if low < high:
            sent[part % ranks.size].append((part, low, _some(assignment, low - first_frame, high - first_frame)))
    pieces = sorted((piece for one in ranks.all_to_all(sent) for piece in one), key=lambda piece: piece[:2])
    mine = range(ranks.rank, parts, ranks.size)
    return [(part, _joined([piece[2] for piece in pieces if piece[0] == part])) for part in mine]


def _some(assignment: Assignment, low: int, high: int) -> Assignment:
    begin, end = assignment.first[low], assignment.first[high]
    return Assignment(assignment.first[low : high + 1] - begin, assignment.rotation[begin:end], assignment.probability[begin:end])


def _joined(pieces: Sequence[Assignment]) -> Assignment:
    counts = [np.diff(piece.first) for piece in pieces]
    return Assignment(
        np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]))]).astype(np.int64),
        np.concatenate([np.empty(0, np.int32), *(piece.rotation for piece in pieces)]),
        np.concatenate([np.empty(0), *(piece.probability for piece in pieces)]),
    )
