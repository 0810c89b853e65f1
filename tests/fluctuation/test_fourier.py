"""The Fourier transform of coefficients against analytic Gaussians; decomposition of complex fields."""

import numpy as np
import pytest

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.field_transform import density_fields, density_of
from fxs_hpc.fluctuation.fourier import BallTransform, point_inverted
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid


def test_amplitude_of_blobs_is_the_analytic_one(ball, blobs):
    shifted = blobs.moved(shift=(3, -2, 1))
    computed = ball.amplitude_of(ball.synthesise(ball.amplitude(ball.analyse(shifted.density(ball)[None]))))
    expected = shifted.amplitude(ball)
    assert np.abs(computed - expected).max() < 2e-3 * np.abs(expected).max()


def test_transform_and_back(ball, blobs):
    coef = ball.analyse(blobs.density(ball)[None])
    back = ball.density(ball.amplitude(coef))
    assert np.abs(back - coef).max() < 5e-3 * np.abs(coef).max()


def test_phase_ramp_moves_the_object(ball, blobs):
    centre = np.array([4.0, -3.0, 2.0])
    moved = blobs.moved(shift=centre)
    field = ball.shifted(ball.amplitude_fields(moved.amplitude(ball), 1), centre)
    np.testing.assert_allclose(ball.amplitude_of(field), blobs.amplitude(ball), atol=1e-10 * np.abs(blobs.amplitude(ball)).max())


def test_point_inversion_of_fields_and_of_coefficients(ball, blobs):
    field = blobs.density(ball)
    mirrored = blobs.moved(-np.eye(3)).density(ball)
    np.testing.assert_allclose(point_inverted(field), mirrored, atol=1e-12)
    np.testing.assert_allclose(ball.inverted(ball.analyse(field[None])), ball.analyse(mirrored[None]), atol=1e-10)


def test_any_complex_amplitude_is_recovered_from_two_real_fields():
    ball = BallTransform(RadialGrid(4, 1.0), AngularGrid(6, 12), 2)
    rng = np.random.default_rng(0)
    amplitude = rng.normal(size=(6, 12, 4)) + 1j * rng.normal(size=(6, 12, 4))
    np.testing.assert_allclose(ball.amplitude_of(ball.amplitude_fields(amplitude, 2)), amplitude, atol=1e-14)


def test_complex_density_and_its_amplitude_belong_together(ball, blobs):
    other = blobs.moved(shift=(2, 5, -3))
    density = blobs.density(ball) + 0.3j * other.density(ball)
    fields = density_fields(density)
    assert len(fields) == 2
    np.testing.assert_array_equal(density_of(fields), density)
    expected = blobs.amplitude(ball) + 0.3j * other.amplitude(ball)
    computed = ball.amplitude_of(ball.synthesise(ball.amplitude(ball.analyse(fields))))
    assert np.abs(computed - expected).max() < 2e-3 * np.abs(expected).max()
    other_hand = ball.amplitude_of(ball.synthesise(ball.inverted(ball.amplitude(ball.analyse(fields)))))
    np.testing.assert_allclose(other_hand, computed.conj(), atol=1e-8 * np.abs(computed).max())


def test_a_tiny_imaginary_part_counts_as_none():
    density = np.ones((4, 8, 3)) + 1e-12j
    assert len(density_fields(density)) == 1


def test_odd_number_of_azimuths_is_refused():
    with pytest.raises(DataError, match="even"):
        BallTransform(RadialGrid(4, 1.0), AngularGrid(4, 7), 2)
