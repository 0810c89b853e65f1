"""Fields of the disc and their alignment, against Gaussians of the plane whose transform and pose are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation import plane_shapes
from fxs_hpc.fluctuation.alignment import align, centre_of_mass, find_shift, other_hand, pose_of, prepare, relative_error, share_of_shells
from fxs_hpc.fluctuation.averaging import average, centred
from fxs_hpc.fluctuation.comparison import compare, compare_run
from fxs_hpc.fluctuation.ensemble import align_ensemble, matching_shells
from fxs_hpc.fluctuation.field_transform import density_fields, density_of
from fxs_hpc.fluctuation.plane_alignment import DiscFields, climb, inversion_metric, overlap_on_circle, overlap_series
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.fluctuation.resolution import half_bit_curve, half_set_correlation, pseudo_correlation, transfer_functions
from fxs_hpc.fluctuation.true_object import truth_of, truth_of_samples
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid
from fxs_hpc.harmonics.wigner import inner_product

# One Fourier transform and back by the midpoint rule leaves a background of dq^2 F(0) / 24 on the whole disc, for these blobs 3e-4
# of int f^2, which hides rotations below 0.01 rad: poses are judged by themselves.
LEFT = 1e-3


def volume(disc, blobs, **options):
    return prepare(disc, blobs.density(disc), blobs.amplitude(disc), **options)


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_amplitude_is_the_analytic_one(disc, flat_blobs):
    shifted = flat_blobs.moved(shift=(3, -2))
    computed = disc.amplitude_of(disc.synthesise(disc.amplitude(disc.analyse(shifted.density(disc)[None]))))
    expected = shifted.amplitude(disc)
    assert np.abs(computed - expected).max() < 2e-3 * np.abs(expected).max()


def test_transforms_are_those_of_the_disc_transform():
    # Another way to the same: complex fields, all orders of either sign.
    rng = np.random.default_rng(0)
    radial, circle = RadialGrid(9, 0.4, dimensions=2), CircleGrid(15)
    ours, other = DiscFields(radial, circle, 7), DiscTransform(radial, circle, 7)
    density = rng.normal(size=(15, 9)) + 1j * rng.normal(size=(15, 9))
    coef = ours.analyse(density_fields(density))
    amplitude = ours.amplitude_of(ours.synthesise(ours.amplitude(coef)))
    np.testing.assert_allclose(amplitude, other.amplitude(density.T).T, atol=1e-12 * np.abs(amplitude).max())
    back = density_of(ours.synthesise(ours.density(ours.amplitude(coef))))
    np.testing.assert_allclose(back, other.density(amplitude.T).T, atol=1e-12 * np.abs(back).max())
    moved = ours.amplitude_of(ours.shifted(ours.amplitude_fields(amplitude, 2), np.array([3.0, -1])))
    np.testing.assert_allclose(moved, other.shifted(amplitude.T, np.array([3.0, -1])).T, atol=1e-12 * np.abs(amplitude).max())


def test_inner_product_is_the_integral(disc, flat_blobs):
    other = flat_blobs.moved(turn(0.4))
    f, g = (disc.analyse(b.density(disc)[None]) for b in (flat_blobs, other))
    expected = (flat_blobs.density(disc) * other.density(disc)).mean(axis=0) @ disc.radial.r_weights * 2 * np.pi
    np.testing.assert_allclose(inner_product(f, g, disc.radial.r_weights), expected, rtol=1e-9)


def test_point_inversion_of_fields_and_of_coefficients(disc, flat_blobs):
    field, mirrored = (b.density(disc) for b in (flat_blobs, flat_blobs.moved(-np.eye(2))))
    np.testing.assert_allclose(disc.point_inverted(field), mirrored, atol=1e-9)
    np.testing.assert_allclose(disc.inverted(disc.analyse(field[None])), disc.analyse(mirrored[None]), atol=1e-9)
    np.testing.assert_allclose(disc.point_inverted(1j * field), 1j * mirrored, atol=1e-9)


def test_overlap_is_the_integral_over_turned_copies(disc, flat_blobs):
    f, g = (disc.analyse(b.density(disc)[None]) for b in (flat_blobs, flat_blobs.moved(turn(0.9), (2, 1))))
    values = overlap_on_circle(overlap_series(f, g, disc.radial.r_weights), 64)
    for j in (0, 5, 40):
        turned = disc.rotated(g, np.array([2 * np.pi * j / 64]))
        np.testing.assert_allclose(values[j], inner_product(f, turned, disc.radial.r_weights), rtol=1e-12)


@given(st.integers(0, 2**31 - 1))
def test_climbing_ends_on_a_maximum(seed):
    rng = np.random.default_rng(seed)
    series = rng.normal(size=7) + 1j * rng.normal(size=7)
    values = overlap_on_circle(series, 512)
    top = climb(series, 2 * np.pi * values.argmax() / 512)
    m = np.arange(1, 7)

    def overlap(angle):
        return series[0].real + 2 * (series[1:] * np.exp(-1j * m * angle)).real.sum()

    assert overlap(top) >= values.max() - 1e-12
    assert overlap(top) >= max(overlap(top - 1e-4), overlap(top + 1e-4))


@settings(max_examples=15)
@given(st.floats(-np.pi, np.pi), st.integers(0, 2**31 - 1))
def test_random_pose_is_found(disc, flat_blobs, angle, seed):
    shift = np.random.default_rng(seed).uniform(-6, 6, 2)
    reference = volume(disc, flat_blobs)
    aligned = align(disc, reference, volume(disc, flat_blobs.moved(turn(angle), shift)), disc.radial.r_weights)
    assert aligned.error < LEFT and aligned.angles[0].shape == (1,)
    # Where the object was stored, each point x lies at turn @ x + shift: the pose must lead back.
    points = np.random.default_rng(0).uniform(-30, 30, (5, 2))
    np.testing.assert_allclose(pose_of(disc, aligned)(points @ turn(angle).T + shift), points, atol=0.05)
    assert np.abs(disc.synthesise(aligned.amplitude - reference.amplitude)[0]).max() < 2e-2 * np.abs(reference.amplitude).max()


@given(st.floats(-3.1, 3.1).filter(lambda angle: abs(abs(angle) - np.pi / 2) > 0.05))
def test_each_hand_is_searched_on_its_half_of_the_circle(disc, flat_blobs, angle):
    f, g = (disc.analyse(b.density(disc)[None]) for b in (flat_blobs, flat_blobs.moved(turn(angle))))
    found = disc.find_rotation(f, g, disc.radial.r_weights)[0]
    assert abs(found) <= np.pi / 2
    if abs(angle) < np.pi / 2:
        np.testing.assert_allclose(found, -angle, atol=1e-6)


def test_a_half_turn_is_said_as_inversion(disc, flat_blobs):
    reference = volume(disc, flat_blobs)
    aligned = align(disc, reference, volume(disc, flat_blobs.moved(turn(np.pi - 0.3))), disc.radial.r_weights)
    assert aligned.inverted
    np.testing.assert_allclose(aligned.angles[0], 0.3, atol=1e-3)
    plain = align(disc, reference, volume(disc, flat_blobs.moved(turn(0.3))), disc.radial.r_weights)
    assert not plain.inverted
    np.testing.assert_allclose(plain.angles[0], -0.3, atol=1e-3)
    for run in (plain, aligned):
        metric = inversion_metric(disc, reference, run)
        assert (metric[1] < metric[0]) == run.inverted == bool(metric[2]) and min(metric[:2]) < 0.05 * max(metric[:2])


def test_inversion_metric_is_the_integral_over_the_disc(disc, flat_blobs):
    a, b = volume(disc, flat_blobs), volume(disc, flat_blobs.moved(turn(0.5)))
    parts = [x.amplitude(disc).imag / v.scaling_factor for x, v in ((flat_blobs, a), (flat_blobs.moved(turn(0.5)), b))]
    expected = [np.abs(parts[1] - sign * parts[0]).mean(axis=0) @ disc.radial.q_weights * 2 * np.pi for sign in (1, -1)]
    np.testing.assert_allclose(inversion_metric(disc, a, b)[:2], expected, rtol=5e-3)
    np.testing.assert_allclose(inversion_metric(disc, a, other_hand(disc, b)), [*inversion_metric(disc, a, b)[:2], 1], rtol=1e-9)


def test_centre_shift_and_emptiness(disc, flat_blobs):
    moved = flat_blobs.moved(shift=(5, -4))
    np.testing.assert_allclose(centre_of_mass(disc, moved.density(disc)), (5, -4), atol=0.02)
    here, there = (disc.analyse(b.density(disc)[None]) for b in (flat_blobs, flat_blobs.moved(shift=(2, -1))))
    np.testing.assert_allclose(find_shift(disc, here, there), (2, -1), atol=0.02)
    with pytest.raises(DataError, match="centre of mass"):
        centre_of_mass(disc, np.zeros((*disc.shape, 64)))


def test_alignment_inside_supports_ignores_what_lies_outside(disc, flat_blobs):
    away = disc.radial.r > 60
    dirty = flat_blobs.moved(turn(0.7)).density(disc)
    dirty[..., away] += 0.6 * np.random.default_rng(0).random(dirty.shape)[..., away]
    amplitude = flat_blobs.moved(turn(0.7)).amplitude(disc)
    reference = volume(disc, flat_blobs)
    found = []
    for support in (np.broadcast_to(~away, dirty.shape), None):
        ready = prepare(disc, dirty, amplitude, centred=False, support=support)
        found.append(abs(float(align(disc, reference, ready, disc.radial.r_weights, refine_shift=False).angles[0][0]) + 0.7))
    assert found[0] < 0.01 and found[0] < found[1]


def runs(disc, blobs, count):
    rng = np.random.default_rng(1)
    return [volume(disc, blobs.moved(turn(rng.uniform(-3, 3)), rng.uniform(-4, 4, 2))) for _ in range(count)]


def test_ensemble_average_and_resolution(disc, flat_blobs):
    prepared = runs(disc, flat_blobs, 4)
    shells = matching_shells(disc, prepared[0], range(2, 14), 60.0)
    assert shells.note is None
    ensemble = align_ensemble(disc, prepared, shells.weights, (0, 1, 2, 3), 0.5, rounds=2)
    assert sorted(ensemble.accepted) == [0, 1, 2, 3] and max(v.error for v in ensemble.volumes) < LEFT
    result = average(disc, [ensemble.volumes[i] for i in ensemble.accepted])
    assert half_set_correlation(disc, result)[:20].min() > 0.999 and pseudo_correlation(disc, result)[:20].min() > 0.999
    curves = transfer_functions(disc, result)
    for name in ("PRTF", "PRTF_from_density", "PRTF_from_ft_density"):
        assert np.abs(curves[name].mean[:16]).min() > 0.999
    inside = np.where(disc.radial.r < 60, disc.radial.r_weights, 0)
    assert relative_error(prepared[0].density, centred(disc, result).density, inside) < LEFT


def test_share_of_rings(disc, flat_blobs):
    coef, weights = disc.analyse(flat_blobs.density(disc)[None]), disc.radial.r_weights
    inner = np.where(disc.radial.r < 30, weights, 0)
    field = flat_blobs.density(disc)
    varying = (field - field.mean(axis=0)) ** 2
    expected = (varying.mean(axis=0) @ inner) / (varying.mean(axis=0) @ weights)
    np.testing.assert_allclose(share_of_shells(coef, weights, inner), expected, rtol=1e-6)


def test_half_bit_curve_of_rings():
    q = np.array([0.1, 0.2])
    points = 2 * np.pi * q * 0.01 / (2 * np.pi / 300) ** 2 / 2
    expected = (0.2071 + 1.9102 / points**0.5) / (1.2071 + 0.9102 / points**0.5)
    np.testing.assert_allclose(half_bit_curve(q, 0.01, 300, 2), expected, atol=1e-4)


def figures():
    centres = [(0.0, 0), (28.0, 0.5), (30.0, 3.0)]
    return plane_shapes.build(["disc", "triangle", "square"], centres, [12, 14, 9], [30, 50, 40], [False] * 3, 0)


def test_comparison_with_exact_figures_and_with_samples(disc):
    exact = truth_of(plane_shapes.PlaneModel(figures(), *[np.zeros(0)] * 3), disc)
    coef = disc.rotated(exact.band_limited, np.array([0.8]))
    density, amplitude = disc.synthesise(coef)[0], disc.amplitude_of(disc.synthesise(disc.amplitude(coef)))
    run = prepare(disc, density, amplitude)
    result = compare(disc, run.density, run.scaling_factor, exact)
    assert result.band_limited > 0.999 and abs(result.scale - 1) < 5e-3 and 0.7 < result.ceiling < 0.99 and result.fsc.min() > 0.98
    np.testing.assert_allclose(result.clean, result.ceiling, atol=2e-3)
    # The average leads to the object by the turn back.
    np.testing.assert_allclose(result.pose.matrix, turn(-0.8), atol=2e-3)
    agreement = compare_run(disc, density, run, result)
    assert agreement.band_limited > 0.999 and agreement.hot_voxels == 0
    np.testing.assert_allclose(agreement.raw, result.ceiling, atol=0.02)
    r, phi = np.linspace(0.25, 60, 240), 2 * np.pi * np.arange(240) / 240
    sampled = truth_of_samples(plane_shapes.PlaneModel((), r, phi, plane_shapes.density_on(figures(), r, phi)), disc)
    assert abs(sampled.outer_radius - exact.outer_radius) < 4
    assert compare(disc, run.density, run.scaling_factor, sampled).band_limited > 0.98
