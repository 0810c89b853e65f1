"""Settings of reconstruct are carried out exactly: every loop, ramp, projection, guess, support and mask."""

import numpy as np
import particle
import pytest
import scipy.special

from fxs_hpc.engine.interface import Update
from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fluctuation import phasing, schedule
from fxs_hpc.fluctuation.schedule import EndOfBlock, Resolution, ShrinkWrap, Step
from fxs_hpc.stages.fxs import phasing_grids, phasing_problem

TUTORIAL = {
    "projections__real__shrink_wrap__sigmas": [[20, [False, 5], -2], False],
    "projections__real__shrink_wrap__thresholds": [0.09, 0.07],
    "projections__real__HIO__betas": [[0.5, 0.4, -1 / 250, 500], [0.01, 0.002, -1 / 200, 200]],
}
LOOPS = "main_loop__sub_loops__"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return particle.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def data():
    return particle.invariants()


@pytest.fixture
def problem_of(home, data):
    def make(precision="double", seed=0, **changes):
        settings, _ = particle.stage(home, **changes)
        return phasing_problem.problem(settings, data, seed, precision)

    return make


def tutorial_loops(iterations: int = 5) -> dict:
    return {
        f"{LOOPS}main": {"methods": {"HIO": {"iterations": 60}, "ER": 40, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": iterations},
        f"{LOOPS}refinement": {"methods": {"ER": 100, "SW": 1}, "order": ["SW", "ER"], "iterations": 1},
    }


def ramp(start, stop, rate, stop_step, step):
    """a e^(k s) + b through both points, kept at `stop` from there on."""
    k = -abs(rate) if stop < start else abs(rate)
    a = (start - stop) / (1 - np.exp(k * stop_step))
    value = a * np.exp(k * step) + start - a
    return max(value, stop) if stop < start else min(value, stop)


def test_tutorial_schedule(problem_of):
    """600 steps, 6 shrink wraps; the feedback counts every HIO and ER step of the block, the blur every SW."""
    operations = problem_of(**TUTORIAL, **tutorial_loops()).operations
    steps = [o for o in operations if isinstance(o, Step)]
    wraps = [o for o in operations if isinstance(o, ShrinkWrap)]
    one = ["HIO"] * 60 + ["SW"] + ["ER"] * 40
    assert [o.update.method if isinstance(o, Step) else "SW" for o in operations] == one * 5 + ["SW"] + ["ER"] * 100
    assert len(steps) == 600
    for number, step in enumerate(steps[:500]):
        if step.update.method == "HIO":
            assert step.update.beta == pytest.approx(ramp(0.5, 0.4, -1 / 250, 500, number), abs=1e-14)
        assert step.update.stabilised and (step.block, step.iteration) == ("main", number // 100)
    narrow = np.pi / (particle.Q_MAX * 15.5 / 16)
    np.testing.assert_allclose([w.sigma for w in wraps], [max(s, narrow) for s in (20, 18, 16, 14, 12)] + [narrow])
    np.testing.assert_allclose([w.threshold for w in wraps], [0.09] * 5 + [0.07])


def test_custom_block_of_the_tutorial(problem_of):
    methods = {"HIO": {"iterations": 100}, "ER": {"iterations": 5}, "SW": 1}
    custom = {"methods": methods, "iterations": 5, "order": ["HIO", "ER", "SW", "ER"]}
    changes = {f"{LOOPS}custom": custom, f"{LOOPS}order": ["custom"], "projections__real__shrink_wrap__sigmas": [[12, [9, 3], False]]}
    changes["projections__real__shrink_wrap__thresholds"] = [0.1]
    operations = problem_of(**changes).operations
    one = ["HIO"] * 100 + ["ER"] * 5 + ["SW"] + ["ER"] * 5
    assert [o.update.method if isinstance(o, Step) else "SW" for o in operations] == one * 5
    # Without a slope the ramp reaches 9 at call 3 and stays there; narrower than pi / q_max = 16.2 is what was asked for.
    np.testing.assert_allclose([o.sigma for o in operations if isinstance(o, ShrinkWrap)], [12, 11, 10, 9, 9])


def test_shrink_wrap_repeats_as_configured(problem_of):
    changes = {f"{LOOPS}refinement": {"methods": {"ER": 2, "SW": {"iterations": 3}}, "order": ["SW", "ER"], "iterations": 2}}
    operations = problem_of(**{f"{LOOPS}order": ["refinement"]}, **changes).operations
    kinds = ["S" if isinstance(o, Step) else "W" for o in operations]
    assert "".join(kinds) == "WWWSS" * 2


def test_blocks_may_run_twice_and_methods_have_own_stabilisation(problem_of):
    methods = {"HIO": {"iterations": 2, "ft_stab": False}, "RAAR": 3, "ER_ft_stab": 1}
    main = {"methods": methods, "order": ["HIO", "RAAR", "ER_ft_stab"], "iterations": 1}
    changes = {f"{LOOPS}main": main, f"{LOOPS}order": ["main", "main"], "projections__real__RAAR__beta": [0.8, 0.7]}
    steps = problem_of(**changes).operations
    assert [s.update.method for s in steps] == ["HIO", "HIO", "RAAR", "RAAR", "RAAR", "ER"] * 2
    assert [s.update.stabilised for s in steps[:6]] == [False, False, True, True, True, True]
    assert [s.update.beta for s in steps if s.update.method == "RAAR"] == [0.8] * 3 + [0.7] * 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["all"], {"support", "value_threshold", "limit_imag"}),
        (["support"], {"support"}),
        (["support", "value_threshold"], {"support", "value_threshold"}),
    ],
)
def test_considered_projections(problem_of, given, expected):
    operations = problem_of(projections__real__HIO__considered_projections=given).operations
    assert operations[0].update.feedback == expected


def test_resolution_schedule(problem_of):
    operations = problem_of(main_loop__resolution_schedule=[[0.5, 0.75], [1.0]]).operations
    assert [(o.block, o.fraction) for o in operations if isinstance(o, Resolution)] == [("main", 0.5), ("main", 0.75), ("refinement", 1.0)]


class Recorder:
    """An engine that notes what it is told; errors are given."""

    def __init__(self, errors):
        self.errors, self.said = iter(errors), []

    def __getattr__(self, name):
        return lambda *given: self.said.append((name, *given))

    def step(self, update):
        self.said.append(("step", update))
        return next(self.errors)


def carried_out(problem, errors) -> list:
    engine = Recorder(errors)
    list(phasing.run(engine, problem.operations, problem.rules, phasing.Progress()))
    return engine.said


def block(iterations: int, patience) -> dict:
    main = {"methods": {"ER": 2, "SW": 1}, "order": ["ER", "SW"], "iterations": iterations}
    return {f"{LOOPS}main": {**main, "best_density_not_in_first_n_iterations": patience}, f"{LOOPS}order": ["main"]}


@pytest.mark.parametrize(
    ("patience", "best_at", "recalled"), [(1, 2, True), (1, 1, False), (2, 3, False), (0, 0, True), (float("inf"), 5, False)]
)
def test_best_density_not_in_first_n_iterations(problem_of, patience, best_at, recalled):
    errors = np.full(6, 0.5)
    errors[best_at] = 0.1
    problem = problem_of(**block(3, patience))
    assert ("recall",) in carried_out(problem, errors) if recalled else ("recall",) not in carried_out(problem, errors)
    assert any(isinstance(o, EndOfBlock) for o in problem.operations) == np.isfinite(patience)


@pytest.mark.parametrize(
    ("options", "confined"),
    [
        ({}, [True, False]),
        ({"apply": False}, [False, False]),
        ({"if_error_bigger_than": False}, [True, True]),
        ({"if_error_bigger_than": 0.5}, [False, False]),
    ],
)
def test_enforce_initial_support(problem_of, options, confined):
    """The default confines shrink wrap while the error is above 6e-3."""
    problem = problem_of(projections__real__projections__support__enforce_initial_support=options, **block(2, float("inf")))
    said = carried_out(problem, [0.1, 0.0061, 0.1, 0.0059])
    assert [given[-1] for given in said if given[0] == "shrink_wrap"] == confined


@pytest.mark.parametrize(
    ("kernel", "formula"),
    [
        ("gaussian", lambda q, s: np.exp(-(s**2) * q**2 / 2)),
        ("flat_top", lambda q, s: np.sqrt(2 * np.pi) * s * np.exp(-2 * np.pi**2 * s**2 * q**4)),
    ],
)
def test_kernels(problem_of, kernel, formula):
    blur = {"kernel": kernel, "sigmas": [8.0]}
    problem = problem_of(projections__real__shrink_wrap=blur, **block(1, float("inf")))
    _, transfer, threshold, _ = next(given for given in carried_out(problem, [1, 1]) if given[0] == "shrink_wrap")
    np.testing.assert_allclose(transfer, formula(problem.geometry.radial.q, 8.0))
    assert threshold == 0.08


@pytest.mark.parametrize(("combine", "expected"), [("mean", 0.35), ("min", 0.2), ("max", 0.5), ("prod", 0.1)])
def test_main_error(problem_of, combine, expected):
    methods = {
        "real": {"calculate": ["l2_projection_diff", "support_size"]},
        "reciprocal": {"calculate": ["l2_projection_diff"]},
        "main": {"metrics": {"real": ["l2_projection_diff"], "reciprocal": ["l2_projection_diff"]}, "type": combine},
    }
    problem = problem_of(main_loop__error={"methods": methods}, **block(1, float("inf")))
    engine, progress = Recorder([0.2, 0.2]), phasing.Progress()
    engine.reciprocal_errors = lambda: {"l2_projection_diff": 0.5, "deg2_invariant_l2_diff": 9.0}
    engine.support_fraction = lambda: 0.75
    list(phasing.run(engine, problem.operations, problem.rules, progress))
    assert progress.errors["main"] == pytest.approx([expected] * 2)
    assert set(progress.errors) == {"main", "real/l2_projection_diff", "real/support_size", "reciprocal/l2_projection_diff"}
    assert progress.errors["real/support_size"] == [0.75] * 2


# --- starts

def radii(problem):
    return problem.geometry.radial.r[:, None, None]


def norm(problem, density):
    weights = problem.geometry.angular.solid_angle * problem.geometry.radial.r_weights[:, None, None]
    return np.sum(density**2 * weights)


def test_bump_guess(problem_of):
    problem = problem_of(density_guess={"type": "bump", "bump": {"slope": 0.4}, "random": {"SNR": 4}})
    start, r = problem.start(0), radii(problem)
    envelope = np.where(r < 60, np.exp(-0.4 * 60**2 / np.where(r < 60, 60**2 - r**2, 1)), 0)
    factor = np.divide(start, envelope, out=np.zeros_like(start), where=envelope > 1e-12)[:5]
    factor /= factor.min()
    assert not start[6:].any() and 1.2 < factor.max() <= 1.25 + 1e-3


def test_ball_guess_and_radius(problem_of):
    start = problem_of(density_guess={"type": "ball", "radius": 42}).start(3)
    problem = problem_of()
    np.testing.assert_array_equal(start != 0, np.broadcast_to(radii(problem) < 42, start.shape))
    assert problem_of(density_guess={"type": "ball", "radius": -1}).start(0).all()


def test_scale_is_that_of_the_data(problem_of, data):
    """Parseval: int rho^2 = int |F|^2 = 4 pi int <I> q^2 dq, here from the data's own grid."""
    expected = 4 * np.pi * np.trapezoid(data.average_intensity * data.q**2, data.q)
    for changes in ({}, {"density_guess__type": "ball"}, {"density_guess__type": "low_resolution_autocorrelation"}):
        problem = problem_of(**changes)
        assert norm(problem, problem.start(1)) == pytest.approx(expected, rel=0.02)


def test_number_of_particles_scales_the_order_0_alone(problem_of):
    one, nine = (problem_of(projections__reciprocal__number_of_particles__initial=n).constraints.reciprocal for n in (1, 9))
    np.testing.assert_allclose(nine.spherical_average, one.spherical_average / 3)
    np.testing.assert_array_equal(nine.projection_matrices[2], one.projection_matrices[2])


def direct_autocorrelation(problem):
    """Re IFT of the intensity whose unknown matrices are 1, by explicit sums."""
    constraint, radial, angular = problem.constraints.reciprocal, problem.geometry.radial, problem.geometry.angular
    found = np.zeros((radial.n_points, angular.n_theta, angular.n_phi))
    for l, v in ((0, constraint.spherical_average[:, None]), *constraint.projection_matrices.items()):
        bessel = np.sqrt(2 / np.pi) * scipy.special.spherical_jn(l, np.outer(radial.r, radial.q)) * radial.q_weights
        for column in range(v.shape[1]):
            m = (column + 1) // 2
            y = scipy.special.sph_harm_y(l, m, angular.theta[:, None], angular.phi)
            shape = y.real if column == 0 else np.sqrt(2) * (y.real if column % 2 else -y.imag)
            found += ((-1) ** (l // 2) * bessel @ v[:, column])[:, None, None] * shape
    return found


def test_autocorrelation_guess_and_support(problem_of):
    support = {"initial_support": {"type": "auto_correlation", "auto_correlation": {"threshold": 0.2}}}
    guess = {"type": "low_resolution_autocorrelation", "low_resolution_autocorrelation": {"threshold_to_max": 0.3}, "random": {"SNR": 1e9}}
    problem = problem_of(density_guess=guess, projections__real__projections__support=support)
    expected, r = direct_autocorrelation(problem), radii(problem)
    np.testing.assert_array_equal(problem.initial_support, (expected >= 0.2 * expected.max()) & (r <= 60))
    envelope = np.where((expected >= 0.3 * expected.max()) & (r < 60), expected, 0)
    envelope = envelope * np.exp(-0.1 * 60**2 / np.where(r < 60, 60**2 - r**2, 1))
    start = problem.start(0)
    np.testing.assert_allclose(start / start.max(), envelope / envelope.max(), atol=1e-6)


def test_initial_support(problem_of):
    problem = problem_of(projections__real__projections__support={"initial_support": {"max_radius": 33}})
    np.testing.assert_array_equal(problem.initial_support, np.broadcast_to(radii(problem) < 33, problem.initial_support.shape))
    with pytest.raises(SettingsError, match="initial_support.*enlarge"):
        problem_of(projections__real__projections__support={"initial_support": {"max_radius": 1}})


# --- reciprocal projection

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


# --- grids

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
        ({"projections__real__projections__apply": ["support", "average_center"]}, "average_center"),
        ({"main_loop__error__methods__real__l2_projection_diff__inside_initial_support": False}, "inside_initial_support"),
        ({"output_density_modifiers__shift_to_center": True}, "shift_to_center"),
        ({"IO__files__reconstructions__options__plot_invariant_error": [2]}, "plot_invariant_error"),
        ({f"{LOOPS}main__methods": {"HIO_non_FXS": 2}, f"{LOOPS}main__order": ["HIO_non_FXS"]}, r"sub_loops\.main\.methods\.HIO_non_FXS"),
        ({f"{LOOPS}main__methods": {"SW_center": 2}, f"{LOOPS}main__order": ["SW_center"]}, "SW_center is not available"),
        ({f"{LOOPS}main__methods__ER": {"iterations": 2, "ft_stab": "link_to_enforce_initial_support"}}, "ft_stab.*use True or False"),
        ({"main_loop__error__limits__use": True}, r"limits\.use"),
        ({"projections__reciprocal__number_of_particles__estimate": True}, "estimate.*initial"),
        ({"main_loop__error__methods__reciprocal__calculate": ["fqc_error"]}, "fqc_error"),
        ({f"{LOOPS}main__order": ["HIO", "EE"]}, "EE"),
        ({"projections__reciprocal__used_order_ids": [0, 2, 8]}, "used_order_ids.*8.*max_order"),
        ({"dimensions": 2}, "dimensions"),
    ],
)
def test_refused_settings_name_key_and_remedy(problem_of, changes, message):
    with pytest.raises(SettingsError, match=message):
        problem_of(**changes)


def test_data_that_do_not_fit_are_refused(problem_of, home, data):
    with pytest.raises(DataError, match="used_order_ids asks for order 8.*end at 6"):
        problem_of(grid={"n_radial_points": 16, "max_order": 8, "amplitude_order": 10})
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


def test_a_long_block_opens_up_by_itself(problem_of):
    """Half of q at first, all of it at the end, in the first block of at least 8 iterations; shorter blocks are left alone."""

    def fractions(**settings):
        return [o.fraction for o in problem_of(**settings).operations if isinstance(o, Resolution)]

    opened = fractions(main_loop__sub_loops={"main": {"iterations": 10}})
    assert opened[:3] == [0.5] * 3 and opened[-3:] == pytest.approx([1.0] * 3) and opened == sorted(opened) and len(opened) == 10
    assert fractions(main_loop__sub_loops={"main": {"iterations": 5}}) == []
    assert fractions(preset="reference", main_loop__sub_loops={"main": {"iterations": 10}}) == []
    assert fractions(main_loop__sub_loops={"main": {"iterations": 10}}, main_loop__resolution_schedule=False) == []


def test_the_best_density_is_of_all_of_q(problem_of):
    """Errors against half of the data are smaller than against all: the best must not come from there."""
    engine = FakeEngine([1e-5, 1e-5, 1e-3, 1e-2])
    step = schedule.Step("main", 0, Update("ER"))
    operations = (schedule.Resolution("main", 0, 0.5), step, step, schedule.Resolution("main", 1, 1.0), step, step)
    progress = phasing.Progress()
    for _ in phasing.run(engine, operations, phasing.Rules(np.ones(1)), progress):
        pass
    assert (progress.best_error, progress.best_step) == (1e-3, 2)


class FakeEngine:
    """Gives the errors it was told to."""

    def __init__(self, errors):
        self.errors = list(errors)

    def step(self, update):
        return self.errors.pop(0)

    def limit_resolution(self, fraction):
        pass

    def remember(self):
        pass
