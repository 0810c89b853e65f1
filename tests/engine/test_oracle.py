"""The oracle itself against the reference program, with its own complex projection matrices and its conventions."""

from pathlib import Path

import h5py
import numpy as np
from oracle import Oracle, State

from fxs_hpc.engine.interface import Constraints, Geometry, Update
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

ALL = frozenset({"support", "value_threshold", "limit_imag"})


def test_first_steps_of_the_reference(reference_data: Path) -> None:
    """6 HIO, shrink-wrap, 2 ER."""
    with h5py.File(reference_data / "xframe/3d/reconstruct/q_rec/data.h5") as file:
        matrices = {int(order): v[()] for order, v in file["projection_matrices"].items()}
        found = file["reconstruction_results/0"]
        start, support, errors = found["initial_density"][()], found["initial_support"][()], found["error_dict/main"][()]
        q = file["configuration/internal_grid/reciprocal_grid"][:, 0, 0, 0]
    n = len(q)
    radial = RadialGrid(n, q[-1] * n / (n - 0.5), 2.0)
    known = np.arange(n) > 0  # the first shell lies below the data's range
    average = matrices.pop(0)[:, 0].real
    weights = np.full(n, radial.r[1] - radial.r[0])
    weights[[0, -1]] /= 2
    constraints = Constraints(
        ReciprocalConstraint(matrices, average, dict.fromkeys(range(15), known), radial.q),
        keep_unknown_orders=False,
        lower=0.0,
        largest_imag=2.0,
        error_radial_weights=weights * radial.r**2,
        stabilised_from=1,
        r_max_convention="reference",
    )
    oracle = Oracle(Geometry(radial, AngularGrid(32, 32), 15, complex_density=True), constraints)
    state = State(start, support, support)
    rate = 1 / 250
    scale = 0.1 / (1 - np.exp(-500 * rate))
    feedback = scale * np.exp(-rate * np.arange(6)) + 0.5 - scale
    series = [oracle.step(state, Update("HIO", beta, ALL)) for beta in feedback]
    sigma = np.pi / q[-1]
    oracle.shrink_wrap(state, np.sqrt(2 * np.pi) * sigma * np.exp(-2 * np.pi**2 * sigma**2 * q**4), 0.09, True)
    series += [oracle.step(state, Update("ER")) for _ in range(2)]
    np.testing.assert_allclose(series, errors[:8], rtol=1e-8)
