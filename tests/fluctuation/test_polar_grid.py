"""Rings on a flat detector."""

import numpy as np
import pytest

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation.polar_grid import FlatDetector, angle_count, chosen, polar_grid, q_points

DETECTOR = FlatDetector((96, 96), 800.0, 300.0, 1.23984, (47.6, 47.9))


def test_q_and_radius_belong_together():
    radius = np.linspace(0, 200, 21)
    assert DETECTOR.radius_of(DETECTOR.q_of(radius)) == pytest.approx(radius, abs=1e-9)
    # 45 degrees: q = 4 pi / lambda sin(22.5 degrees).
    assert DETECTOR.q_of(DETECTOR.distance_in_pixels) == pytest.approx(4 * np.pi / 1.23984 * np.sin(np.pi / 8))


def test_default_rings_end_at_half_the_rows():
    q = q_points(*DETECTOR.default_q())
    assert len(q) == 48 and q[0] == 0
    assert DETECTOR.radius_of(q[-1:])[0] == pytest.approx(48)


def test_the_last_point_survives_rounding():
    for count in range(2, 200):
        step = 0.3 / (count - 1)
        assert len(q_points(0.0, 0.3, step)) == count


def test_q_beyond_90_degrees_is_refused():
    with pytest.raises(SettingsError, match="never meets a flat detector"):
        DETECTOR.radius_of(np.array([9.0]))


def test_number_of_angles():
    assert angle_count(1000, "exact", 10.0) == 1000
    assert angle_count(1000, "max", 10.0) == 62 and angle_count(1000, "min", 10.0) == 1000
    assert angle_count(10, "max", 10.0) == 10 and angle_count(10, "min", 10.0) == 62
    assert angle_count(1000, "max", 10.2) == 64  # 64.09, even already; 65 would become 66


def test_positions_run_from_rows_to_columns():
    grid = polar_grid(DETECTOR, np.array([0.1, 0.2]), (0.0, 2 * np.pi, 4, "exact"))
    radius = DETECTOR.radius_of(grid.q)
    rows, columns = grid.positions()
    assert rows[0] == pytest.approx(47.6 + radius) and columns[0] == pytest.approx(np.full(2, 47.9))
    assert rows[1] == pytest.approx(np.full(2, 47.6)) and columns[1] == pytest.approx(47.9 + radius)


def test_an_arc_is_part_of_a_circle():
    grid = polar_grid(DETECTOR, np.array([0.1]), (np.pi / 2, np.pi, 25, "exact"))
    assert len(grid.phi) == 100 and grid.looked_at.sum() == 25
    assert grid.phi[0] == np.pi / 2 and grid.phi[24] == pytest.approx(np.pi - np.pi / 50)
    with pytest.raises(SettingsError, match="such as 33 over 100"):
        polar_grid(DETECTOR, np.array([0.1]), (0.0, 2.08, 33, "exact"))
    with pytest.raises(SettingsError, match="no arc of a circle"):
        polar_grid(DETECTOR, np.array([0.1]), (0.0, 7.0, 33, "exact"))


def test_corrections():
    grid = polar_grid(DETECTOR, np.array([0.0, 0.5]), (0.0, 2 * np.pi, 8, "exact"))
    assert grid.corrections(None, False) is None
    angle = 2 * np.arcsin(0.5 * 1.23984 / (4 * np.pi))
    horizontal, vertical = grid.corrections("h", False), grid.corrections("v", False)
    assert horizontal[:, 0] == pytest.approx(1) and horizontal[0, 1] == pytest.approx(1)
    assert horizontal[2, 1] == pytest.approx(1 / np.cos(angle) ** 2) == vertical[0, 1]
    assert grid.corrections(None, True)[3, 1] == pytest.approx(1 / np.cos(angle) ** 3)
    assert grid.corrections("h", True) == pytest.approx(horizontal * grid.corrections(None, True))


def test_chosen_counts_grid_points():
    q = np.arange(48) / 47 * 0.64
    assert chosen(q, (0.0, 1.0, 3)).tolist() == list(range(0, 48, 3))
    assert chosen(q, (0.3, 0.4, 1)).tolist() == [i for i in range(48) if 0.3 <= q[i] <= 0.4]
    assert len(chosen(q, None)) == 48
    with pytest.raises(SettingsError, match="no radial point lies between"):
        chosen(q, (0.7, 0.8, 1))
