"""Equivalent reflections of the grid as one intensity."""

import gemmi
import numpy as np
import pytest
from small_emc import make

from fxs_hpc.emc.orbit_means import orbit_means


@pytest.fixture(scope="module")
def problem():
    return make(4, seed=1)


def test_means_over_seen_reflections_with_the_deviation_of_their_mean(problem):
    """gemmi names the equivalents; the deviation of a sum over an orbit becomes that of the mean over its seen members."""
    model, hkl = problem.model, problem.reflections.hkl
    random = np.random.default_rng(3)
    sums, seen = random.random(len(hkl)), random.random(len(hkl)) < 0.4
    merged_std = random.random(model.same.orbits)
    found = orbit_means(model, np.where(seen, sums, 0), seen, merged_std)
    operations = gemmi.GroupOps([gemmi.Op(row) for row in _triplets(model.group)])
    place = {tuple(index): number for number, index in enumerate(hkl.tolist())}
    unique = {
        min(members): members
        for members in (
            tuple(sorted({place[image] for op in operations.sym_ops for image in _pair(op.apply_to_hkl(index))})) for index in place
        )
    }
    assert len(found.hkl) == sum(any(seen[list(members)]) for members in unique.values())
    for index, value, sigma, count in zip(found.hkl.tolist(), found.intensity, found.sigma, found.multiplicity):
        members = next(list(members) for members in unique.values() if place[tuple(index)] in members)
        looked = [member for member in members if seen[member]]
        assert count == len(looked) and value == pytest.approx(np.mean(sums[looked]))
        assert sigma == pytest.approx(merged_std[model.same.orbit[members[0]]] * len(members) / len(looked))


def _pair(index):
    return tuple(index), tuple(-value for value in index)


def _triplets(group):
    """The proper operators as gemmi writes them, acting on coordinates: x' = M^-T x turns hkl as columns by M."""
    for matrix in group.proper_indices:
        rows = np.round(np.linalg.inv(matrix).T).astype(int).tolist()
        yield ",".join("".join(f"{'+' if c > 0 else '-'}{axis}" for c, axis in zip(row, "xyz") if c) for row in rows)
