"""The parts of average against the reference program's files (N = 24, L = 9, three reconstructions)."""

import h5py
import numpy as np
import pytest

from fxs_hpc.files.reconstructions import open_source
from fxs_hpc.fluctuation.alignment import align, other_hand, prepare, relative_error, shell_weights
from fxs_hpc.fluctuation.averaging import squared_modulus
from fxs_hpc.fluctuation.field_transform import density_fields
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.resolution import transfer_functions_of
from fxs_hpc.fluctuation.so3 import correlation_map, euler_grid
from fxs_hpc.harmonics.wigner import rotate

N = 24
# The reference takes the list of shells [1, 6] as the range 1 <= i < 6, all of equal weight.
RANGE_WEIGHTS = np.where((np.arange(N) >= 1) & (np.arange(N) < 6), 1 / 5, 0.0)


@pytest.fixture(scope="module")
def case(reference_data):
    folder = reference_data / "xframe" / "3d"
    source = open_source(folder / "average_input/a3_rec3/data.h5")
    ball = BallTransform(source.radial, source.angular, 9, convention="reference")
    stored = [source.load(key) for key in source.keys]
    with h5py.File(folder / "average/a3_avg/average_results.h5") as file:
        yield source, ball, [prepare(ball, s.density, s.amplitude) for s in stored], file


def field(file, name):
    return np.moveaxis(file[name][()], 0, -1)


def difference(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_grids_are_recognised(case):
    source, _, _, file = case
    assert (source.radial.kind, source.used_order, source.keys) == ("midpoint", 9, ("0", "1", "2"))
    np.testing.assert_allclose(source.radial.r, file["internal_grid/real_grid"][:, 0, 0, 0], rtol=1e-12)
    np.testing.assert_allclose(source.angular.theta, file["internal_grid/real_grid"][0, :, 0, 1], rtol=1e-12)


def test_scaling_factors_after_centring(case):
    _, _, prepared, file = case
    factors = [volume.scaling_factor for volume in prepared]
    np.testing.assert_allclose(factors, file["input_meta/scaling_factors"][()], rtol=1e-13)


def test_the_reference_run_is_the_centred_normalised_one_of_least_error(case):
    source, ball, prepared, file = case
    assert min(source.last_errors("main"), key=source.last_errors("main").get) == "1"
    assert difference(ball.synthesise(prepared[1].density)[0], field(file, "aligned/0/real_density")) < 1e-13
    # The reference keeps the shifted amplitude as it is on the grid; here it is limited to the orders up to L like everything else.
    ramped = ball.shifted(ball.amplitude_fields(source.load("1").amplitude, 1), prepared[1].centre) / prepared[1].scaling_factor
    expected = field(file, "aligned/0/reciprocal_density")
    assert difference(ball.amplitude_of(ramped), expected) < 1e-13
    assert difference(ball.amplitude_of(ball.synthesise(prepared[1].amplitude)), expected) < 0.05


def test_rotation_grid(case):
    _, _, _, file = case
    np.testing.assert_allclose(np.stack(np.meshgrid(*euler_grid(9), indexing="ij"), axis=-1), file["so3_grid"][()], atol=1e-14)


@pytest.mark.parametrize(("run", "name"), [(0, "1"), (2, "2")])
def test_rotation_metric_and_angles(case, run, name):
    _, ball, prepared, file = case
    # The reference stores the metric of the point inverse it made by one more transform and back, over (beta, gamma, alpha) that
    # run backwards from pi; its angles are (gamma + pi, beta, alpha + pi) in the terms used here.
    mirrored = ball.density(ball.amplitude(other_hand(ball, prepared[run]).density))
    metric = correlation_map(prepared[1].density, mirrored, RANGE_WEIGHTS)
    back = (10 - np.arange(20)) % 20
    expected = file[f"rotation_metric/{name}/0"][()].reshape(20, 20, 20)
    np.testing.assert_allclose(metric.transpose(1, 2, 0)[:, back][:, :, back], expected, atol=1e-12)
    alpha, beta, gamma = (axis[i] for axis, i in zip(euler_grid(9), np.unravel_index(metric.argmax(), metric.shape)))
    stored = file[f"rotation_angles/{name}/0"][()]
    np.testing.assert_allclose([(gamma + np.pi) % (2 * np.pi), beta, (alpha + np.pi) % (2 * np.pi)], stored, atol=1e-12)
    if run == 0:
        turned = ball.synthesise(rotate(mirrored, (alpha, beta, gamma)))[0]
        assert difference(turned, field(file, "aligned/1/real_density")) < 1e-13


def test_refinement_beats_the_grid_point_of_the_reference(case):
    # The reference printed alignment errors of 0.0900 and 0.2476.
    _, ball, prepared, _ = case
    weights = shell_weights(ball.radial.r_weights, range(1, 6))
    for run, printed in ((0, 0.0900), (2, 0.2476)):
        turned = align(ball, prepared[1], prepared[run], weights, refine_shift=False)
        assert turned.error < 0.9 * printed
        assert align(ball, prepared[1], prepared[run], weights).error < turned.error


def test_alignment_error_of_the_aligned_run_of_the_reference(case):
    _, ball, prepared, file = case
    aligned = ball.analyse(density_fields(field(file, "aligned/1/real_density")))
    np.testing.assert_allclose(relative_error(prepared[1].density, aligned, ball.radial.r_weights), 0.0900, atol=5e-4)


def test_average_and_intensities_are_means_over_the_aligned(case):
    _, ball, _, file = case
    aligned = [field(file, f"aligned/{i}/real_density") for i in range(2)]
    np.testing.assert_array_equal(field(file, "average/real_density"), np.mean(aligned, axis=0))
    # The reference centres the mean amplitude in place: of what it stores as the average only the modulus is that of the mean.
    amplitude = np.mean([field(file, f"aligned/{i}/reciprocal_density") for i in range(2)], axis=0)
    assert difference(np.abs(field(file, "average/reciprocal_density")), np.abs(amplitude)) < 1e-14
    assert difference(field(file, "average/reciprocal_density"), amplitude) > 0.1
    assert difference(field(file, "average/reciprocal_density"), field(file, "centered_average/reciprocal_density")) == 0
    transforms = [ball.amplitude_of(ball.synthesise(ball.amplitude(ball.analyse(density_fields(d))))) for d in aligned]
    intensity = np.mean([squared_modulus(f) for f in transforms], axis=0)
    assert difference(intensity, field(file, "average/intensity_from_densities")) < 1e-13


def test_transfer_functions_from_the_stored_averages(case):
    _, ball, _, file = case
    density, amplitude = field(file, "average/real_density"), field(file, "average/reciprocal_density")
    transform = ball.amplitude_of(ball.synthesise(ball.amplitude(ball.analyse(density_fields(density)))))
    intensities = [field(file, f"average/intensity_from_{name}") for name in ("densities", "ft_densities")]
    # The reference weights all grid points of a shell alike, which favours the poles.
    curves = transfer_functions_of(transform, amplitude, *intensities, np.ones(density.shape[:2]))
    for name, curve in curves.items():
        np.testing.assert_allclose(curve.mean, file[f"resolution_metrics/{name}"][()], atol=1e-12)
        np.testing.assert_allclose(curve.std, file[f"resolution_metrics/{name}_std"][()], atol=1e-12)
