"""Settings of reconstruct become constraints and grids; what they cannot is refused, with key and remedy."""

import numpy as np
import particle
import pytest

from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fluctuation import phasing
from fxs_hpc.stages.fxs import phasing_grids, phasing_problem, phasing_worker

LOOPS = "main_loop__sub_loops__"


@pytest.fixture
def home(particle_home):
    return particle_home


@pytest.fixture(scope="module")
def data():
    return particle.invariants()


def known(problem) -> dict:
    return dict(problem.constraints.reciprocal.known)


def test_q_masks(problem_of, data):
    q = problem_of().geometry.radial.q
    assert all(mask.all() for mask in known(problem_of()).values())
    region = {"type": "manual", "manual": {"type": "region", "region": [0.03, 0.12]}}
    for mask in known(problem_of(projections__reciprocal__q_mask=region)).values():
        np.testing.assert_array_equal(mask, (q >= 0.03) & (q <= 0.12))
    line = {"type": "manual", "manual": {"type": "order_dependent_line", "order_dependent_line": [[2, 0.02], [6, 0.1]]}}
    for l, mask in known(problem_of(projections__reciprocal__q_mask=line)).items():
        np.testing.assert_array_equal(mask, q >= 0.02 + (l - 2) * 0.02)


def test_q_mask_from_extraction(home, data):
    limits = data.q_id_limits.copy()
    limits[4] = [10, 30]
    settings, _ = particle.stage(home, projections__reciprocal__q_mask={"type": "from_projection_matrices"})
    limited = type(data)(**{**vars(data), "q_id_limits": limits})
    problem = phasing_problem.problem(settings, limited, 0, "double")
    q = problem.geometry.radial.q
    np.testing.assert_array_equal(known(problem)[4], (q >= data.q[10]) & (q <= data.q[29]))
    assert known(problem)[2].all()


def test_used_orders(problem_of):
    problem = problem_of(projections__reciprocal__used_order_ids=[0, 2, 6])
    assert set(problem.constraints.reciprocal.projection_matrices) == {2, 6}
    without_0 = problem_of(projections__reciprocal__used_order_ids=[2, 4])
    assert without_0.constraints.reciprocal.spherical_average is None
    kept_odd = problem_of(projections__reciprocal__odd_orders_to_0=False, projections__real__projections__apply=["support", "limit_imag"])
    assert set(kept_odd.constraints.reciprocal.projection_matrices) == {1, 2, 3, 4, 5, 6}
    assert kept_odd.geometry.complex_density and kept_odd.constraints.reciprocal.projection_matrices[3].any()


def test_order_0_from_either_source(problem_of, data):
    average, matrix = (problem_of(projections__reciprocal__use_averaged_intensity=flag).constraints.reciprocal for flag in (True, False))
    np.testing.assert_allclose(average.spherical_average, matrix.spherical_average, rtol=1e-9)


def test_bounds(problem_of):
    thresholds = {"value_threshold": {"threshold": [False, 3]}, "limit_imag": {"threshold": 0.5}}
    real = {"apply": ["support", "value_threshold", "limit_imag"], **thresholds}
    limits = problem_of(projections__real__projections=real).constraints
    assert (limits.lower, limits.upper, limits.largest_imag, limits.use_support) == (-np.inf, 3, 0.5, True)
    assert not problem_of(projections__real__projections__apply=["value_threshold"]).constraints.use_support


def test_reference_preset(problem_of):
    problem, own = problem_of(preset="reference", grid={"n_radial_points": 16, "max_order": 6}), problem_of()
    assert not problem.constraints.keep_unknown_orders and problem.constraints.stabilised_from == 1
    assert problem.constraints.r_max_convention == "reference" and problem.rules.blur is phasing.flat_top
    assert problem.geometry.amplitude_order == 6
    for l in (2, 4, 6):
        found, expected = problem.constraints.reciprocal.projection_matrices[l], own.constraints.reciprocal.projection_matrices[l]
        np.testing.assert_allclose(found @ found.T, 4 * expected @ expected.T, atol=1e-6 * np.abs(expected @ expected.T).max())


def test_reference_preset_leaves_given_keys_alone(problem_of):
    problem = problem_of(preset="reference", projections__real__shrink_wrap__kernel="gaussian", projections__reciprocal__scale=1.0)
    assert problem.rules.blur is phasing.gaussian


def test_amplitude_order_is_chosen_from_the_radius(problem_of):
    auto = {"n_radial_points": 16, "max_order": 6, "amplitude_radius": 41}
    geometry = problem_of(grid=auto).geometry
    assert geometry.amplitude_order == np.ceil(0.2 * 41) + 6
    needed = 2 * geometry.amplitude_order + 6 + 1
    assert geometry.angular.n_theta >= needed / 2 and geometry.angular.n_phi >= needed
    estimated = problem_of(grid={"n_radial_points": 16, "max_order": 6}).geometry.amplitude_order
    assert np.ceil(0.2 * 34) <= estimated <= np.ceil(0.2 * 60) + 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"particle_radius": 400}, r"particle_radius: 400.*160.*raise.*n_radial_points"),
        ({"grid": {"n_radial_points": 16, "max_order": 6, "amplitude_order": 10, "n_theta": 14}}, r"n_theta.*multiple of 4"),
        ({"grid": {"n_radial_points": 16, "max_order": 6, "amplitude_order": 10, "n_phi": 20}}, r"n_phi even and at least 22"),
        ({"projections__real__projections__value_threshold__threshold": [1, 5]}, r"value_threshold\.threshold: \[1, 5\].*lower <= 0"),
        ({"projections__real__projections": {"apply": ["limit_imag"], "limit_imag": {"threshold": 0}}}, "limit_imag.*assert_real"),
        ({"main_loop__error__limits__use": True}, r"limits\.use"),
        ({"projections__reciprocal__number_of_particles": {"estimate": True, "settings": {"estimate_in": ["SW_center"]}}}, "estimate_in"),
        ({f"{LOOPS}main__order": ["HIO", "EE"]}, "EE"),
        ({"projections__reciprocal__used_order_ids": [0, 2, 8]}, "used_order_ids.*8.*max_order"),
    ],
)
def test_refused_settings_name_key_and_remedy(problem_of, changes, message):
    with pytest.raises(SettingsError, match=message):
        problem_of(**changes)


def test_data_that_do_not_fit_are_refused(problem_of, home, data):
    with pytest.raises(DataError, match="invariants are 3D.*dimensions: 2.*extract"):
        problem_of(dimensions=2)
    with pytest.raises(DataError, match="used_order_ids asks for order 8.*end at 6"):
        problem_of(grid={"n_radial_points": 16, "max_order": 8, "amplitude_order": 10})
    with pytest.raises(DataError, match="invariants are 3D.*dimensions: 2"):
        problem_of(dimensions=2)
    settings, _ = particle.stage(home)
    broken = type(data)(**{**vars(data), "average_intensity": np.full(len(data.q), np.nan)})
    with pytest.raises(DataError, match="average intensity.*NaN"):
        phasing_problem.problem(settings, broken, 0, "double")


@pytest.mark.parametrize("scale", [1e-30, 1e12])
def test_intensities_out_of_range_of_single_precision(home, scale):
    settings, _ = particle.stage(home)
    far = particle.invariants(scale)
    assert phasing_problem.problem(settings, far, 0, "double").total > 0
    with pytest.raises(DataError, match=r"precision = double"):
        phasing_problem.problem(settings, far, 0, "single")


def test_notes(home, data):
    def notes(**changes):
        settings, _ = particle.stage(home, **changes)
        return " ".join(phasing_grids.warnings(settings, data, phasing_grids.geometry(settings, data)))

    assert notes(grid__amplitude_order=14) == ""
    assert "detail at high q is lost" in notes(grid__amplitude_order=6)
    assert "aliased grid (16 x 32" in notes(grid={"n_radial_points": 16, "max_order": 6, "amplitude_order": 14, "n_theta": 16, "n_phi": 32})
    assert "density stays real" in notes(projections__real__projections__apply=["support", "limit_imag"])


def test_radial_grid_is_what_the_settings_say(problem_of, data):
    own = {"n_radial_points": "data", "max_order": 6, "amplitude_order": 10}
    assert problem_of(grid=own).geometry.radial.n_points == len(data.q)
    named = problem_of(grid={**own, "n_radial_points": 20, "max_q": 0.15}, fourier_transform__reciprocity_coefficient=2.5).geometry.radial
    assert (named.n_points, named.q_max, named.r_max) == (20, 0.15, pytest.approx(2.5 * 20 / 0.15))
    assert problem_of().geometry.radial.q_max == data.q[-1]


@pytest.mark.parametrize("kind", ["midpoint", "trapz", "gauss", "Zernike", "zernike"])
def test_every_kind_of_transform_phases(problem_of, kind):
    """The error falls, whatever the radial quadrature."""
    problem = problem_of(fourier_transform__type=kind)
    assert problem.geometry.radial.kind == {"zernike": "Zernike"}.get(kind, kind)
    engine, progress = phasing_worker.cpu_engine(problem), phasing.Progress()
    engine.load(problem.start(0), problem.initial_support, problem.initial_support)
    engine.band_limit()
    for _ in phasing.run(engine, problem.operations, problem.rules, progress):
        pass
    assert progress.errors["main"][-1] < 0.2 * progress.errors["main"][0]


def test_interpolation_rank_and_scale_of_the_data(problem_of, data):
    def matrix(l, **changes):
        return problem_of(**changes).constraints.reciprocal.projection_matrices[l]

    q = problem_of().geometry.radial.q
    nearest = matrix(4, projections__reciprocal__regrid__interpolation="nearest")
    rows = data.projection_matrices[4][np.abs(data.q[:, None] - q).argmin(axis=0)]
    np.testing.assert_allclose(nearest @ nearest.T, rows @ rows.T, atol=1e-6 * np.abs(rows @ rows.T).max())
    cubic, linear = (matrix(4, projections__reciprocal__regrid__interpolation=kind) for kind in ("cubic", "linear"))
    assert 1e-6 < np.abs(cubic @ cubic.T - linear @ linear.T).max() / np.abs(cubic @ cubic.T).max() < 0.1
    np.testing.assert_allclose(matrix(4, projections__reciprocal__scale=3.0), 3 * cubic)
    assert matrix(6, projections__reciprocal__rank_tolerance=0.5).shape[1] < matrix(6).shape[1]
