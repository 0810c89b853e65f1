"""Figures of the plane: who lies inside, and amplitudes against sums over fine pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.fluctuation.plane_shapes import PlaneShape

ALL = [PlaneShape("disc", (3.0, -4.0), 10.0, 2.0), PlaneShape("square", (3.0, -4.0), 8.0, 2.0, 0.4)]
ALL.append(PlaneShape("triangle", (3.0, -4.0), 12.0, 2.0, 0.4))


def pixels(step=0.05):
    ticks = np.arange(-20, 20, step) + step / 2
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2), step**2


@pytest.mark.parametrize("figure", ALL, ids=lambda figure: figure.kind)
def test_the_amplitude_is_the_fourier_integral(figure):
    points, area = pixels()
    inside = points[figure.contains(points)]
    q = np.array([[0.0, 0.0], [0.3, 0.0], [0.0, -0.2], [0.25, 0.31], [-0.5, 0.4], [1e-5, 2e-5]])
    expected = 2.0 * area / (2 * np.pi) * np.exp(-1j * q @ inside.T).sum(axis=1)
    np.testing.assert_allclose(figure.amplitude(q), expected, atol=2e-3 * abs(expected[0]))


@pytest.mark.parametrize(("figure", "area"), list(zip(ALL, [np.pi * 100, 256.0, np.sqrt(27) / 4 * 144], strict=True)))
def test_the_amplitude_at_the_origin_is_the_area(figure, area):
    assert figure.amplitude(np.zeros((1, 2)))[0] == pytest.approx(2 * area / (2 * np.pi), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ALL), st.floats(-3, 3), st.floats(-3, 3))
def test_friedels_law(figure, x, y):
    q = np.array([[x, y], [-x, -y]])
    plus, minus = figure.amplitude(q)
    assert plus == pytest.approx(minus.conjugate(), abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ALL), st.floats(0, 7), st.floats(-0.8, 0.8), st.floats(-0.8, 0.8))
def test_a_turned_figure_has_the_turned_amplitude(figure, angle, x, y):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = turn @ figure.center
    turned = PlaneShape(figure.kind, (centre[0], centre[1]), figure.size, figure.density, figure.angle + angle)
    q = np.array([[x, y]])
    assert turned.amplitude(q @ turn.T)[0] == pytest.approx(figure.amplitude(q)[0], abs=1e-9)


def test_who_lies_inside():
    triangle = PlaneShape("triangle", (0.0, 0.0), 10.0, 1.0)
    corners = 10 * np.exp(1j * np.array([0, 2, 4]) * np.pi / 3)
    points = np.stack([corners.real, corners.imag], axis=-1)
    assert triangle.contains(0.999 * points).all() and not triangle.contains(1.001 * points).any()
    assert triangle.contains(np.array([[-4.99, 0.0]]))[0] and not triangle.contains(np.array([[-5.01, 0.0]]))[0]
    square = PlaneShape("square", (1.0, 0.0), 2.0, 1.0)
    np.testing.assert_array_equal(square.contains(np.array([[2.99, 1.99], [3.01, 0.0], [1.0, -2.01]])), [True, False, False])
    for figure in ALL:
        points, _ = pixels(0.2)
        distance = np.linalg.norm(points[figure.contains(points)] - figure.center, axis=1).max()
        assert distance <= figure.circumradius < distance + 0.5


def test_solids_name_their_figures_and_overlaps_add_up():
    built = plane_shapes.build(["sphere", "square", "tetrahedron"], [(0, 0), (20, np.pi / 2), (0, 0)], [5, 6, 7], [1, 2, 4], [False] * 3, 0)
    assert [figure.kind for figure in built] == ["disc", "square", "triangle"]
    assert built[1].center == pytest.approx((0, 20))
    assert shapes.outer_radius(built) == pytest.approx(20 + 6 * np.sqrt(2))
    np.testing.assert_array_equal(plane_shapes.density_on(built, [0.0, 20.0], [0.0, np.pi / 2]), [[5, 5], [0, 2]])


def test_random_orientation_depends_on_seed_and_index():
    def angles(seed):
        return [figure.angle for figure in plane_shapes.build(["triangle"] * 3, [(0, 0)] * 3, [1] * 3, [1] * 3, [True, True, False], seed)]

    assert angles(1) == angles(1) and angles(1) != angles(2)
    assert angles(1)[0] != angles(1)[1] and angles(1)[2] == 0
    drawn = [plane_shapes.random_angle(seed, 0) for seed in range(400)]
    assert 0 <= min(drawn) < 0.1 and 6.1 < max(drawn) < 2 * np.pi


def test_text_brings_the_figures_back():
    assert plane_shapes.from_json(shapes.to_json(ALL)) == tuple(ALL)


def test_what_is_no_figure_is_refused():
    with pytest.raises(SettingsError, match="cube"):
        PlaneShape("cube", (0.0, 0.0), 1.0, 1.0)
    with pytest.raises(SettingsError, match="positive"):
        PlaneShape("disc", (0.0, 0.0), 0.0, 1.0)
    with pytest.raises(SettingsError, match="one entry per shape"):
        plane_shapes.build(["disc"], [], [1], [1], [False], 0)
