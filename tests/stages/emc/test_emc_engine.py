"""The engine on several ranks: the same bits as on one, whoever has the frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.emc.rules import OWN
from fxs_hpc.emc.start_model import random_intensity
from fxs_hpc.emc.work_blocks import shares
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc.emc_engine import Engine, Task
from fxs_hpc.stages.emc.frame_stream import FrameStream
from fxs_hpc.stages.emc.rotation_exchange import Pairs, at_owners, ragged
from fxs_hpc.stages.emc.stopwatch import Stopwatch
from tests.emc import small_emc
from tests.emc.emc_reference import Source
from tests.stages.emc import ranks_in_threads

BLOCKS = np.array([0, 5, 11, 12, 20, 23, 30])


@pytest.fixture(scope="module")
def problem():
    return small_emc.make(frames=30, seed=8)


def task(problem, ranks):
    owned = shares(BLOCKS, problem.candidates.counts, ranks.size)
    edges = BLOCKS[owned[ranks.rank] : owned[ranks.rank + 1] + 1]
    work = problem.work(int(edges[0]), int(edges[-1]))
    source = Source(problem.photons, problem.background, small_emc.BINS)
    stream = FrameStream(source, problem.order, np.unique(edges[[0, len(edges) // 2, -1]]))
    return Task(problem.model, problem.table, work, problem.padded()[edges[0] : edges[-1]], BLOCKS, owned, stream, OWN)


def iterate(problem, ranks, workers=1):
    """State after two iterations."""
    made = task(problem, ranks)
    engine = Engine(made, ranks, workers, Stopwatch())
    active = np.ones(len(made.work.evaluations.wanted), bool)
    start = np.ones(30)
    intensity, phi, kept = engine.symmetric_mean(random_intensity(problem.reflections, (2,))), start, []
    for _ in range(2):
        new, _ = engine.intensity_flag(intensity, phi, active)
        phi, factor, _ = engine.phi_flag(new.intensity, phi, start, active)
        intensity = new.intensity * factor
        kept += [new.sums, new.std, new.photon_std, new.merged_std, new.seen]
    return [intensity, phi, *kept]


@pytest.mark.parametrize("ranks", [2, 3, 4, 9])
def test_any_number_of_ranks_gives_the_same_bits(problem, ranks):
    alone = iterate(problem, Alone())
    for found in ranks_in_threads.run(ranks, lambda rank: iterate(problem, rank)):
        assert all(np.array_equal(one, other) for one, other in zip(alone, found, strict=True))


def test_rotations_are_shared_between_ranks(problem):
    """Else the test above shows nothing: frames of several ranks are assigned to one rotation when all frames are copies of one."""
    copies = small_emc.make(frames=30, seed=8)
    copies.photons[:] = copies.photons[0]
    copies.background[:] = copies.background[0]
    lists = [copies.candidates[0]] * 30
    object.__setattr__(copies, "candidates", type(copies.candidates).of_lists(lists))
    alone = iterate(copies, Alone())
    for found in ranks_in_threads.run(3, lambda rank: iterate(copies, rank)):
        assert all(np.array_equal(one, other) for one, other in zip(alone, found, strict=True))


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=30, unique=True), st.integers(1, 4))
def test_owners_get_every_pair_of_their_rotations(entries, size):
    """Pairs (frame, rotation); frame f lies on rank f * size // 7."""
    entries = sorted(entries)

    def one(ranks):
        mine = [(frame, rotation) for frame, rotation in entries if frame * size // 7 == ranks.rank]
        frame, rotation = (np.array([pair[axis] for pair in mine], np.int64) for axis in (0, 1))
        length = rotation + 1
        counts = np.repeat(10 * frame + rotation, length).astype(np.int16)
        rows, row = np.unique(frame, return_inverse=True)
        pairs = Pairs(rotation, frame, frame / 7, frame + 0.5, length, counts, rows[:, None] * 1.0, row.astype(np.int64))
        return at_owners(ranks, pairs)

    found = ranks_in_threads.run(size, one)
    seen = []
    for rank, pairs in enumerate(found):
        for i, (frame, rotation) in enumerate(zip(pairs.frame.tolist(), pairs.rotation.tolist())):
            lowest = min(f for f, r in entries if r == rotation)
            assert lowest * size // 7 == rank
            assert pairs.background[pairs.row[i], 0] == frame and pairs.phi[i] == frame + 0.5
            counts = pairs.counts[pairs.start[i] : pairs.start[i] + pairs.length[i]]
            assert counts.tolist() == [10 * frame + rotation] * (rotation + 1)
            seen.append((frame, rotation))
    assert sorted(seen) == entries


def test_ragged_indices():
    assert ragged(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ragged(np.array([], int), np.array([], int)).tolist() == []
