"""The loop in the plane, started from the reference program's initial density and told its conventions, follows its error series.

Its quirks that the series depends on: errors are integrated over all rings but the last but one and never over the initial support
alone (arrays of this size), the trapezoidal rule over the angles leaves half of the first and of the last one out, and the innermost
ring is not stabilised.
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from fxs_hpc.engine.interface import Constraints, PlaneGeometry, Precision
from fxs_hpc.engine.plane_engine import PlaneEngine
from fxs_hpc.engine.plane_projection import fixed_order
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.fluctuation import phasing, schedule
from fxs_hpc.fluctuation.centring import Centring
from fxs_hpc.fluctuation.placement import PlaneMove
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

CASE = "xframe/2d/reconstruct/a2_rec_raw/data.h5"
ALL = frozenset({"support", "value_threshold", "limit_imag"})


def loop(q_max: float) -> tuple[schedule.Operation, ...]:
    """3 x (6 HIO, SW, 4 ER) + SW + 5 ER with the ramps of the tutorial."""
    narrow = np.pi / q_max
    hio, sw, er = schedule.Method("HIO", 6), schedule.Method("SW", 1), schedule.Method("ER", 4)
    ramps = [schedule.exponential_ramp(0.5, 0.4, -1 / 250, 500), schedule.exponential_ramp(0.01, 0.002, -1 / 200, 200)]
    wide, cut = schedule.linear_ramp(20, narrow, -2), schedule.linear_ramp(0.09, 0, 0)
    main = schedule.Block("main", (hio, sw, er), 3, ramps[0], ramps[0], wide, cut, ALL)
    last = (sw, schedule.Method("ER", 5))
    return schedule.schedule([main, schedule.Block("refinement", last, 1, ramps[1], ramps[1], lambda _: narrow, cut, ALL)])


def reference_weights(radial: RadialGrid, n_phi: int) -> np.ndarray:
    """(N, n_phi) weights of its error integral."""
    rings, angles = np.full(radial.n_points, radial.r[1] - radial.r[0]), np.ones(n_phi)
    rings[[0, -1]] /= 2
    angles[[0, -1]] /= 2
    rings[-2] = 0
    return np.outer(rings * radial.r, angles)


def geometry_of(file: Mapping[str, np.ndarray]) -> PlaneGeometry:
    """Its grids."""
    radial = RadialGrid(32, file["q"][-1] * 32 / 31.5, 2.0, dimensions=2)
    return PlaneGeometry(radial, CircleGrid(31), 15, complex_density=True)


def at_the_end(path: Path, precision: Precision) -> tuple[PlaneEngine, phasing.Progress, dict[str, np.ndarray]]:
    """Engine and errors after the loop of a file, and what the file holds."""
    with h5py.File(path) as file:
        q = file["configuration/internal_grid/reciprocal_grid"][:, 0, 0]
        vectors = {order: file[f"projection_matrices/{order}"][()][:, None] for order in range(15)}
        kept = {name: item[()] for name, item in file["reconstruction_results/0"].items() if isinstance(item, h5py.Dataset)}
        errors = file["reconstruction_results/0/error_dict/main"][()]
    radial = geometry_of({"q": q}).radial
    average = vectors.pop(0)[:, 0].real
    # The data begin at half a step of their own, larger grid: the innermost ring has none.
    known = dict.fromkeys(range(15), np.arange(32) > 0)
    assert fixed_order(vectors, q, 0.2) == 2
    constraints = Constraints(
        ReciprocalConstraint(vectors, average, known, q, fixed_order=2),
        keep_unknown_orders=False,
        lower=0.0,
        largest_imag=2.0,
        error_radial_weights=reference_weights(radial, 31),
        stabilised_from=1,
        r_max_convention="reference",
        error_inside_initial_support=False,
    )
    engine = PlaneEngine(geometry_of({"q": q}), constraints, precision)
    engine.load(kept["initial_density"], kept["initial_support"], kept["initial_support"])
    progress = phasing.Progress()
    for _ in phasing.run(engine, loop(q[-1]), phasing.Rules(q, phasing.flat_top), progress):
        pass
    return engine, progress, {**kept, "errors": errors, "q": q}


def follows_the_reference(path: Path, precision: Precision, tolerance: float) -> None:
    engine, progress, kept = at_the_end(path, precision)
    np.testing.assert_allclose(progress.errors["main"], kept["errors"], rtol=tolerance)
    np.testing.assert_array_equal(engine.support(), kept["last_support_mask"])
    last = kept["last_real_density"]
    assert np.linalg.norm(engine.density() - last) <= tolerance * np.linalg.norm(last)


@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-11), ("single", 1e-3)])
def test_error_series_of_the_reference(data_folder: Path, precision: Precision, tolerance: float) -> None:
    follows_the_reference(data_folder / CASE, precision, tolerance)


def test_error_series_of_the_whole_reference_file(reference_data: Path) -> None:
    follows_the_reference(reference_data / CASE, "double", 1e-11)


def test_the_reference_stores_centred_densities(reference_data: Path) -> None:
    """Case a2_rec (fix_orientation): order 2 leaves inversion alone, so the density is shifted only; its support stays where it was."""
    engine, progress, kept = at_the_end(reference_data / "xframe/2d/reconstruct/a2_rec/data.h5", "double")
    np.testing.assert_allclose(progress.errors["main"], kept["errors"], rtol=1e-9)
    np.testing.assert_array_equal(engine.support(), kept["last_support_mask"])
    geometry, density = geometry_of(kept), engine.density()
    centre = Centring(geometry, "reference").centre_of_mass(density, engine.support())
    transform = DiscTransform(geometry.radial, geometry.angular, geometry.amplitude_order, "reference")
    found, last = PlaneMove(transform, centre).density(density), kept["last_real_density"]
    assert np.linalg.norm(found - last) <= 1e-10 * np.linalg.norm(last)
    assert np.linalg.norm(density - last) > 0.5 * np.linalg.norm(last)
