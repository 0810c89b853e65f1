"""Fine samples near coarse ones."""

import lzma

import numpy as np
import pytest

from fxs_hpc.emc.local_samples import fine_divisions, local_samples, radius
from fxs_hpc.emc.quaternions import blocks, samples

CASES = [(17, 4.0, 3.0, 23), (24, 4.0, 3.0, 32), (10, 3.0, 2.0, 15), (7, 3.3, 1.1, 21)]


@pytest.mark.parametrize(("coarse", "cutoff", "high", "expected"), CASES)
def test_divisions(coarse, cutoff, high, expected):
    assert fine_divisions(coarse, cutoff, high) == expected


def test_neighbours_are_all_that_are_near_also_across_the_antipode():
    coarse, _ = samples(3)
    fine, weights = samples(5)
    chosen = coarse[np.argsort(np.abs(coarse[:, 0]), kind="stable")[:40]]
    reach = radius(3, 5)
    found = local_samples(chosen, blocks(5), reach)
    distance = np.minimum(np.linalg.norm(chosen[:, None] - fine, axis=2), np.linalg.norm(chosen[:, None] + fine, axis=2))
    for row, near in enumerate(distance <= reach):
        assert found.number[found[row]].tolist() == np.flatnonzero(near).tolist()
    assert np.array_equal(found.quaternions, fine[found.number]) and np.array_equal(found.weights, weights[found.number])
    assert set(found.entries.tolist()) == set(range(len(found.number)))


def test_the_reference_table_is_reproduced_away_from_half_turns(reference_data):
    """Its rows lack neighbours across the antipode where q0 is nearly 0 (emc-math 10.3): there ours hold more."""
    base = reference_data / "emc" / "aux"
    lines = [line for rank in (0, 1) for line in (base / "start_prob" / f"high_p-{rank}.dat").read_text().splitlines()[3::2]]
    pairs = [line.split() for line in lines]
    visited = np.unique([int(words[i]) for words in pairs for i in range(0, len(words), 2) if float(words[i + 1]) >= 0.01])
    coarse = samples(17)[0][visited]
    found = local_samples(coarse, blocks(23), radius(17, 23))
    table = (base / "reduced-quaternion-17-23.dat").read_text().splitlines()
    assert int(table[0]) == len(coarse)
    stored = np.frombuffer(lzma.decompress((base / "c-reduced-quaternion23.bin.xz").read_bytes())[4:]).reshape(-1, 5)
    place = {tuple(np.round(q, 10)): number for number, q in enumerate(found.quaternions)}
    numbers = np.array([place[tuple(np.round(q, 10))] for q in stored[:, :4]])
    assert np.all(np.diff(numbers) > 0) and np.allclose(found.weights[numbers], stored[:, 4], rtol=1e-12)
    for row, line in enumerate(table[3::2]):
        reference = set(numbers[[int(word) for word in line.split()]].tolist())
        if abs(coarse[row, 0]) >= 0.028:
            assert reference == set(found[row].tolist())
        assert reference <= set(found[row].tolist())
