"""Pixels found by direction."""

import numpy as np
import pytest
from scene import scene

from fxs_hpc.emc.refinement.pixels import pixel_table, wave_vector
from fxs_hpc.errors import DataError


def test_wave_vector_is_that_of_the_beam():
    np.testing.assert_allclose(wave_vector(scene().q), [0, 0, -1], atol=1e-10)


def test_vectors_off_the_sphere_are_refused():
    q = np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(DataError, match="Ewald sphere"):
        wave_vector(q)


def test_table_holds_every_pixel_once():
    made = scene()
    table = made.pixels
    assert sorted(table.place) == list(range(len(made.q)))
    np.testing.assert_array_equal(table.q, made.q[table.place])
    np.testing.assert_array_equal(table.bin, made.bins[table.place])
    assert table.first[-1] == len(made.q) and np.all(np.diff(table.first) >= 0)


def test_cells_are_about_a_pixel_wide():
    made = scene()
    occupied = np.diff(made.pixels.first)
    assert occupied.max() <= 6
    # pixels subtend at most 1 / distance, in units of the wave number
    assert made.pixels.cell < 2 / 120


def test_back_scattering_has_its_place():
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(4000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    direction = direction[direction[:, 2] < 0.6]
    table = pixel_table(direction - [0, 0, -1], np.ones(len(direction)), np.zeros(len(direction), np.int32))
    assert np.isfinite(table.q).all() and len(table.place) == len(direction)


def test_flux_counts_polar_per_area():
    made = scene()
    table = made.pixels
    area = (8 * table.cell) ** 2
    np.testing.assert_allclose(table.flux.sum() * area, made.polar.sum())
    # in the middle: one pixel per (1 / distance)^2 of the sphere of radius 1
    row, column = table.flux.shape[0] // 2 - 2, table.flux.shape[1] // 2 - 2
    assert table.flux[row, column] == pytest.approx(120**2, rel=0.15)
