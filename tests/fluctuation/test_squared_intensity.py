"""Correlations with the squared intensity: the transform between both, against the harmonics that they were made of."""

import numpy as np
import pytest

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation import extraction, plane_extraction
from fxs_hpc.fluctuation import plane_scattering as plane
from fxs_hpc.fluctuation.correlation import correlation_blocks, ewald_cosine
from fxs_hpc.fluctuation.invariants import invariants_of
from fxs_hpc.fluctuation.preparation import Preparation, prepared_blocks
from fxs_hpc.fluctuation.projection_matrices import projection_matrices, q_limits
from fxs_hpc.fluctuation.squared_intensity import (
    METHODS,
    mixed_in_plane,
    mixed_in_space,
    square_in_plane,
    square_in_space,
    unknown_transform,
    unknown_transforms,
)
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

ORDER, WAVELENGTH = 6, 3.0
Q = np.linspace(0.05, 0.3, 14)
PLAIN = Preparation(subtract_average_intensity=False)


def in_space():
    """Coefficients of a centrosymmetric intensity that is far from round, with all harmonics independent."""
    coef = np.random.default_rng(2).normal(size=(ORDER + 1, ORDER + 1, 2, len(Q)))
    coef[0, :, 1] = 0
    for m in range(ORDER + 1):
        coef[m, :m] = 0
    coef[:, 1::2] = 0
    coef[0, 0, 0] = 30
    return coef


def in_plane():
    harmonics = np.random.default_rng(3).normal(size=(ORDER + 1, len(Q), 2)) @ [1, 1j]
    harmonics[1::2] = 0
    harmonics[0] = 20
    return harmonics


def rows(coef, order):
    """The real harmonics (N, 2l+1) of one order."""
    parts = coef[: order + 1, order].reshape(-1, len(Q)).copy()
    parts[2:] *= np.sqrt(2)
    return np.delete(parts, 1, axis=0).T


def test_the_square_is_that_of_the_field():
    coef = in_space()
    grid = AngularGrid(40, 80)
    transform = SphericalTransform(grid, ORDER)
    np.testing.assert_allclose(square_in_space(coef), transform.analyse(transform.synthesise(coef) ** 2), atol=1e-9)
    harmonics, phi = in_plane(), np.linspace(0, 2 * np.pi, 64, endpoint=False)
    field = 2 * (harmonics.T @ np.exp(1j * np.outer(np.arange(ORDER + 1), phi))).real - harmonics[0].real[:, None]
    np.testing.assert_allclose(square_in_plane(harmonics), np.fft.rfft(field**2, norm="forward").T[: ORDER + 1], atol=1e-9)


def test_mixed_invariants_are_sums_over_m():
    coef = in_space()
    squared = square_in_space(coef)
    mixed = mixed_in_space(squared, coef)
    for order in range(ORDER + 1):
        np.testing.assert_allclose(mixed[order], rows(squared, order) @ rows(coef, order).T, atol=1e-8)
    np.testing.assert_allclose(mixed_in_space(coef, coef), invariants_of(coef), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_correlations_in_space_tell_the_squared_intensity(method):
    """From three correlations and the harmonics of I alone: V2 W U are the harmonics of I^2."""
    coef = in_space()
    squared = square_in_space(coef)
    cosine, limits = ewald_cosine(Q, WAVELENGTH), q_limits(Q, ORDER)
    found = []
    for invariants in (invariants_of(coef), mixed_in_space(squared, coef), invariants_of(squared)):
        values = np.concatenate([block for _, block in correlation_blocks(invariants, Q, WAVELENGTH)])
        blocks = prepared_blocks(values, np.ones(len(Q)), PLAIN)
        found.append(extraction.invariants_from(blocks, "back_substitution", ORDER, 2 * ORDER, cosine))
    first, second = projection_matrices(found[0], limits), projection_matrices(found[2], limits)
    transforms = unknown_transforms(found[1], first, second, method)
    for order in range(0, ORDER + 1, 2):
        unknown = np.linalg.lstsq(first[order], rows(coef, order), rcond=1e-9)[0]
        expected = rows(squared, order)
        np.testing.assert_allclose(second[order] @ transforms[order] @ unknown, expected, atol=1e-6 * np.abs(expected).max())
        np.testing.assert_allclose(transforms[order] @ transforms[order].T, np.eye(2 * order + 1), atol=1e-6)
    np.testing.assert_array_equal(transforms[3], np.eye(7))


@pytest.mark.parametrize("method", METHODS)
def test_correlations_in_the_plane_tell_the_squared_intensity(method):
    harmonics = in_plane()
    squared, limits = square_in_plane(harmonics), q_limits(Q, ORDER)
    found = []
    for invariants in (plane.invariants_of(harmonics), mixed_in_plane(squared, harmonics), plane.invariants_of(squared)):
        values = np.concatenate([block for _, block in plane.correlation_blocks(invariants, 4 * ORDER)])
        blocks = prepared_blocks(values, np.ones(len(Q)), PLAIN)
        found.append(plane_extraction.invariants_from(blocks, "back_substitution", ORDER, len(Q), 4 * ORDER))
    first, second = (projection_matrices(found[index], limits, dimensions=2) for index in (0, 2))
    transforms = unknown_transforms(found[1], first, second, method)
    for order in range(0, ORDER + 1, 2):
        unknown = np.vdot(first[order], harmonics[order]) / np.vdot(first[order], first[order])
        np.testing.assert_allclose(second[order][:, 0] * transforms[order][0, 0] * unknown, squared[order], atol=1e-8)
        assert abs(transforms[order][0, 0]) == pytest.approx(1)


def test_unitarity_may_be_enforced_on_noisy_data():
    rng = np.random.default_rng(5)
    first, second = (np.linalg.qr(rng.normal(size=(8, 3)))[0] * [3, 2, 1] for _ in range(2))
    true = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    mixed = second @ true @ first.T + 0.05 * rng.normal(size=(8, 8))
    free = unknown_transform(mixed, first, second, "direct")
    assert np.abs(free @ free.T - np.eye(3)).max() > 1e-3
    near = unknown_transform(mixed, first, second, "procrustes")
    forced = unknown_transform(mixed, first, second, "direct", True)
    for found in (near, forced):
        np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(found, true, atol=0.2)

    def errors(w):
        target = mixed @ first / (first**2).sum(axis=0)
        return np.linalg.norm(second @ w - target), np.linalg.norm(w - free), np.linalg.norm(second @ w @ first.T - mixed)

    assert errors(near)[0] < min(errors(forced)[0], errors(true)[0])
    assert errors(forced)[1] < min(errors(near)[1], errors(true)[1])
    assert errors(free)[2] < min(errors(near)[2], errors(forced)[2], errors(true)[2])


def test_unknown_methods_are_refused():
    with pytest.raises(SettingsError, match="guess"):
        unknown_transform(np.eye(2), np.eye(2), np.eye(2), "guess")
