"""Resolution curves of cases whose answer is known."""

import numpy as np

from fxs_hpc.fluctuation.alignment import prepare
from fxs_hpc.fluctuation.averaging import average
from fxs_hpc.fluctuation.resolution import (
    crossing,
    half_bit_curve,
    half_set_correlation,
    pseudo_correlation,
    shell_correlation,
    shell_products,
    transfer_function,
    transfer_functions,
)


def test_identical_runs_have_transfer_and_correlation_one(ball, blobs):
    run = prepare(ball, blobs.density(ball), blobs.amplitude(ball))
    result = average(ball, [run, run, run])
    curves = transfer_functions(ball, result)
    assert set(curves) == {"PRTF", "PRTF_from_density", "PRTF_from_ft_density", "PRTF_ftI"}
    for name in ("PRTF_from_density", "PRTF_from_ft_density"):
        np.testing.assert_allclose(np.abs(curves[name].mean), 1, atol=1e-9)
        np.testing.assert_allclose(curves[name].std, 0, atol=1e-6)
    np.testing.assert_allclose(half_set_correlation(ball, result), 1, atol=1e-9)
    np.testing.assert_allclose(pseudo_correlation(ball, result)[:20], 1, atol=1e-3)


def test_random_phases_leave_one_over_root_n():
    rng = np.random.default_rng(0)
    phases = np.exp(2j * np.pi * rng.random((400, 20, 40, 3)))
    mean, intensity = phases.mean(axis=0), np.ones((20, 40, 3))
    curve = transfer_function((mean, mean), (intensity, intensity), np.ones((20, 40)))
    # The mean modulus of a complex Gaussian is sqrt(pi)/2 of its standard deviation.
    np.testing.assert_allclose(curve.mean.real, np.sqrt(np.pi) / 2 / 20, rtol=0.05)


def test_points_without_intensity_count_as_agreed():
    a = np.array([0.0, 1, 1]).reshape(1, 3, 1).astype(complex)
    b = np.array([0.0, 0, 1]).reshape(1, 3, 1)
    curve = transfer_function((a, a), (b, b), np.ones((1, 3)))
    np.testing.assert_allclose(curve.mean, (1 + 0 + 1) / 3)


def test_directions_are_weighted_by_solid_angle():
    a = np.array([0.0, 1.0]).reshape(2, 1, 1).astype(complex)
    curve = transfer_function((a, a), (np.ones((2, 1, 1)),) * 2, np.array([[3.0], [1.0]]))
    np.testing.assert_allclose(curve.mean, 0.25)


def test_shell_correlation_is_the_sum_over_the_grid(ball, blobs):
    f, g = blobs.amplitude(ball), blobs.moved(shift=(4, 0, 2)).amplitude(ball)
    a, b = (ball.analyse(ball.amplitude_fields(x, 1)) for x in (f, g))
    solid = ball.angular.solid_angle[..., None]
    cross = (f * g.conj() * solid).sum(axis=(0, 1)).real
    norm = np.sqrt((abs(f) ** 2 * solid).sum(axis=(0, 1)) * (abs(g) ** 2 * solid).sum(axis=(0, 1)))
    low = slice(0, 20)
    np.testing.assert_allclose(shell_products(a, b)[low], cross[low], rtol=1e-3, atol=1e-3 * cross.max())
    np.testing.assert_allclose(shell_correlation(a, b)[low], (cross / norm)[low], atol=1e-3)
    binned = shell_correlation(a, b, np.arange(32) // 8, ball.radial.q_weights)
    w = ball.radial.q_weights[:8]
    powers = [(abs(x) ** 2 * solid).sum(axis=(0, 1))[:8] @ w for x in (f, g)]
    expected = (cross[:8] @ w) / np.sqrt(powers[0] * powers[1])
    np.testing.assert_allclose(binned[0], expected, atol=1e-4)


def test_half_bit_curve_has_the_published_limits():
    q = np.array([1e-6, 1.0, 1e3])
    curve = half_bit_curve(q, 1e3, 2 * np.pi)
    np.testing.assert_allclose(curve[0], 1.0)
    np.testing.assert_allclose(curve[-1], 0.2071 / 1.2071, atol=1e-3)
    points = 4 * np.pi * 1e3 / 2
    np.testing.assert_allclose(curve[1], (0.2071 + 1.9102 / points**0.5) / (1.2071 + 0.9102 / points**0.5), atol=1e-4)


def test_crossing():
    q = np.array([1.0, 2, 3, 4])
    assert crossing(q, np.array([1.0, 0.9, 0.8, 0.7]), 0.5) is None
    np.testing.assert_allclose(crossing(q, np.array([1.0, 0.6, 0.4, 0.3]), 0.5), 2.5)
    assert crossing(q, np.array([1.0, 0.6, 0.4, 0.7]), 0.5) is None  # a dip
    assert crossing(q, np.array([0.1, 0.2, 0.4, 0.3]), 0.5) == 1.0
