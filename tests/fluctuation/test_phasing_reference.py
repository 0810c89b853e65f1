"""The loop, started from the reference program's initial density and told its conventions, follows its error series."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import phasing, schedule
from fxs_hpc.fluctuation.phasing_data import ConstraintOptions, reciprocal_constraint
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

ALL = frozenset({"support", "value_threshold", "limit_imag"})


def loop(q_max: float) -> tuple[schedule.Operation, ...]:
    """3 x (6 HIO, SW, 4 ER) + SW + 5 ER with the ramps of the tutorial."""
    narrow = np.pi / q_max
    hio, sw, er = schedule.Method("HIO", 6), schedule.Method("SW", 1), schedule.Method("ER", 4)
    ramps = [schedule.exponential_ramp(0.5, 0.4, -1 / 250, 500), schedule.exponential_ramp(0.01, 0.002, -1 / 200, 200)]
    wide = schedule.linear_ramp(20, narrow, -2)
    cut = schedule.linear_ramp(0.09, 0, 0)
    main = schedule.Block("main", (hio, sw, er), 3, ramps[0], ramps[0], wide, cut, ALL)
    last = (sw, schedule.Method("ER", 5))
    return schedule.schedule([main, schedule.Block("refinement", last, 1, ramps[1], ramps[1], lambda _: narrow, cut, ALL)])


def reference_constraint(folder: Path, radial: RadialGrid) -> ReciprocalConstraint:
    data = read_proj_data(folder / "xframe/3d/extract/e_bs/proj_data.h5")
    options = ConstraintOptions(range(15), rank_tolerance=0.0, scale=2.0)
    return reciprocal_constraint(data, radial.q, options, [np.ones(radial.n_points, bool)] * 16)


@pytest.mark.parametrize(
    ("complex_density", "precision", "tolerance"), [(False, "double", 1e-6), (True, "double", 1e-6), (False, "single", 1e-3)]
)
def test_error_series_of_the_reference(reference_data: Path, complex_density: bool, precision: Precision, tolerance: float) -> None:
    with h5py.File(reference_data / "xframe/3d/reconstruct/q_rec/data.h5") as file:
        found = file["reconstruction_results/0"]
        initial, density = found["initial_density"][()], found["last_real_density"][()].real
        errors, support = found["error_dict/main"][()], found["last_support_mask"][()]
        initial_support = found["initial_support"][()]
        q = file["configuration/internal_grid/reciprocal_grid"][:, 0, 0, 0]
    radial = RadialGrid(32, q[-1] * 32 / 31.5, 2.0)
    weights = np.full(32, radial.r[1] - radial.r[0])
    weights[[0, -1]] /= 2
    constraints = Constraints(
        reference_constraint(reference_data, radial),
        keep_unknown_orders=False,
        lower=0.0,
        largest_imag=2.0,
        error_radial_weights=weights * radial.r**2,
        stabilised_from=1,
        r_max_convention="reference",
    )
    engine = NumpyEngine(Geometry(radial, AngularGrid(32, 32), 15, complex_density), constraints, precision)
    engine.load(initial if complex_density else initial.real, initial_support, initial_support)
    progress = phasing.Progress()
    for _ in phasing.run(engine, loop(q[-1]), phasing.Rules(q, phasing.flat_top), progress):
        pass
    np.testing.assert_allclose(progress.errors["main"], errors, rtol=tolerance)
    np.testing.assert_array_equal(engine.support(), support)
    assert np.linalg.norm(engine.density() - density) <= 10 * tolerance * np.linalg.norm(density)
