"""Detector geometry: against the geometry of scattering, and the reference's table of pixels."""

import lzma
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.detector import Panel, flat, limits, usable_pixels
from fxs_hpc.errors import DataError

SHAPE = (31, 34)


def geometry(centre=(14.3, 17.6), direction=(0.0, 0.0, -1.0), distance=60.0):
    made = flat(SHAPE, centre, distance, direction, 1.1)
    return replace(made, q_min=2, q_max=25)


def nothing_masked(shape=SHAPE):
    return np.zeros(shape, bool)


def test_modulus_is_that_of_the_scattering_angle():
    made = geometry()
    pixels = usable_pixels(made, nothing_masked())
    rows, columns = np.divmod(pixels.index, SHAPE[1])
    angle = np.arctan(np.hypot(rows - 14.3, columns - 17.6) / 60.0)
    np.testing.assert_allclose(pixels.modulus, 2 * 60.0 * np.sin(angle / 2), rtol=1e-12)
    assert pixels.modulus.min() >= 2 and pixels.modulus.max() <= 25


def test_polarisation_and_solid_angle_of_a_single_pixel():
    made = geometry()
    pixels = usable_pixels(made, nothing_masked())
    rows, columns = np.divmod(pixels.index, SHAPE[1])
    along_y = (columns - 17.6) / 60.0
    tangent2 = ((rows - 14.3) / 60.0) ** 2 + along_y**2
    expected = (1 - along_y**2 / (1 + tangent2)) * (1 + tangent2) ** -1.5
    np.testing.assert_allclose(pixels.polar, expected / expected.max(), rtol=1e-12)
    assert pixels.polar.max() == 1


@given(
    st.tuples(st.floats(-5, 40), st.floats(-5, 40)), st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), st.sampled_from((-1, 1)),
    st.floats(30, 500),
)  # fmt: skip
def test_every_pixel_lies_on_the_ewald_sphere(centre, tilt, side, distance):
    made = replace(flat(SHAPE, centre, distance, (*tilt, float(side)), 1.0), q_max=10_000)
    pixels = usable_pixels(made, nothing_masked())
    np.testing.assert_allclose(np.linalg.norm(pixels.q + made.beam, axis=1), made.D, rtol=1e-12)
    assert made.D == pytest.approx(distance * np.sqrt(1 + tilt[0] ** 2 + tilt[1] ** 2))
    assert np.all(np.diff(pixels.modulus) >= -1e-9)
    assert sorted(pixels.index) == list(range(SHAPE[0] * SHAPE[1]))


def test_pixels_of_equal_modulus_stand_in_row_major_order():
    made = replace(flat((21, 21), (10, 10), 47.3, (0, 0, -1), 1.0), q_max=30)
    pixels = usable_pixels(made, nothing_masked((21, 21)))
    rows, columns = np.divmod(pixels.index, 21)
    radius2 = (rows - 10) ** 2 + (columns - 10) ** 2
    order = np.lexsort((pixels.index, radius2))
    assert order.tolist() == list(range(441))


def test_masked_pixels_are_left_out_and_found_again():
    mask = np.random.default_rng(3).random(SHAPE) < 0.3
    pixels = usable_pixels(geometry(), mask)
    assert not mask.ravel()[pixels.index].any()
    place = pixels.positions()
    assert np.array_equal(place[pixels.index], np.arange(len(pixels)))
    assert np.count_nonzero(place >= 0) == len(pixels)


def test_a_prefix_ends_before_the_first_pixel_beyond():
    made = geometry()
    pixels = usable_pixels(made, nothing_masked())
    limit = made.limit(7.0)
    assert limit == np.ceil(1.1 * 60 / 7)
    count = pixels.prefix(limit)
    assert 0 < count < len(pixels)
    assert pixels.modulus[count - 1] <= limit < pixels.modulus[count]
    assert pixels.prefix(1e9) == len(pixels)


def test_nothing_left_is_an_error_that_says_why():
    with pytest.raises(DataError, match="1054 of 1054 are masked"):
        usable_pixels(geometry(), ~nothing_masked())


def test_panels_are_placed_one_by_one():
    """A detector cut into two panels, the second turned by half a turn in the raster, sees the same as the uncut one."""
    whole = geometry()
    only = whole.panels[0]
    upper = replace(only, shape=(16, 34))
    last = only.positions(np.array(30), np.array(33))
    lower = Panel((16, 0), (15, 34), (16, 0), last, -only.row_step, -only.column_step)
    cut = replace(whole, panels=(upper, lower))
    one, two = usable_pixels(whole, nothing_masked()), usable_pixels(cut, nothing_masked())
    rows, columns = np.divmod(two.index, 34)
    turned = np.where(rows < 16, two.index, (30 - (rows - 16)) * 34 + 33 - columns)
    place = one.positions()[turned]
    np.testing.assert_allclose(two.q, one.q[place], atol=1e-12)
    np.testing.assert_allclose(two.polar, one.polar[place], rtol=1e-12)
    assert np.array_equal(np.unique(cut.panel_numbers()[16:]), [1])


def test_limits_round_up():
    assert limits(1.03324, 320.00208, 8.0, 2.9) == (8, 115)


def test_the_reference_table_of_pixels(reference_data):
    folder = reference_data / "emc" / "make-detector"
    content = lzma.decompress((folder / "rec-vectors.bin.xz").read_bytes())
    mask = np.frombuffer(lzma.decompress((folder / "MASK.bin.xz").read_bytes()), "<i4").reshape(240, 250) != 0
    q_max, q_min, count = np.frombuffer(content[:12], "<i4").tolist()
    records = np.frombuffer(content[12:], "<f8").reshape(-1, 4)
    made = flat((240, 250), (121.3, 124.6), 0.05504 / 172e-6, (0.002, -0.003, -1.0), 1.03324)
    low, high = limits(made.wavelength, made.D, 8.0, 2.9)
    pixels = usable_pixels(replace(made, q_min=low, q_max=high), mask)
    assert (high, low, len(pixels)) == (q_max, q_min, count)
    assert np.array_equal(pixels.index, np.frombuffer(lzma.decompress((folder / "rec2pix-map.bin.xz").read_bytes()), "<i4"))
    np.testing.assert_allclose(pixels.q, records[:, :3], rtol=1e-12)
    np.testing.assert_allclose(pixels.polar, records[:, 3], rtol=1e-12)
    assert pixels.prefix(made.limit(4.0)) == 21225
