"""CrystFEL geometry files: against the same detector written in keys, and against CrystFEL's definition of where a pixel is."""

import numpy as np
import pytest

from fxs_hpc.emc.detector import flat, usable_pixels
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import geom

ONE_PANEL = """
; a Pilatus of 24 x 30 pixels
photon_energy = {energy}
clen = {clen}
res = 5813.953488372093
adu_per_eV = 0.00001
data = /entry/data/data
dim0 = %
dim1 = ss
dim2 = fs
p0/min_fs = 0
p0/max_fs = 29
p0/min_ss = 0
p0/max_ss = 23
p0/corner_x = -14.9
p0/corner_y = -11.6
p0/fs = {fs}
p0/ss = y
"""
PANELS = """
wavelength = 1.2 A
adu_per_photon = 1
res = 10000
clen = 0.1
dim0 = %
dim1 = ss
dim2 = fs
bad_edge/min_fs = 0
bad_edge/max_fs = 1
bad_edge/min_ss = 0
bad_edge/max_ss = 15
bad_edge/panel = low
bad_spot/min_x = 9.4
bad_spot/max_x = 11.6
bad_spot/min_y = -30
bad_spot/max_y = 30
low/min_fs = 0
low/max_fs = 9
low/min_ss = 0
low/max_ss = 7
low/corner_x = 1.5
low/corner_y = -9.25
low/fs = +0.999x -0.04y
low/ss = +0.04x +0.999y +0.01z
high/min_fs = 2
high/max_fs = 11
high/min_ss = 8
high/max_ss = 15
high/corner_x = -3.5
high/corner_y = 12.0
high/coffset = 0.0002
high/fs = -0.01x +1.0y
high/ss = -1.0x
high/res = 20000
"""


def nothing_asked(name):
    raise AssertionError(f"asked for {name}")


def write(tmp_path, text):
    (tmp_path / "detector.geom").write_text(text)
    return tmp_path / "detector.geom"


def read(tmp_path, text, lookup=nothing_asked, **options):
    return geom.read(write(tmp_path, text), lookup, **options)


ENERGY = 12398.419843320026 / 1.03324


@pytest.mark.parametrize(
    ("energy", "clen", "fs"),
    [(f"{ENERGY!r}", "0.05504", "x"), (f"{ENERGY / 1000!r} keV", "55.04 mm", "+1.0x"), (f"{ENERGY!r} eV", "0.05504 m", "1.0x + 0.0y")],
)
def test_one_panel_is_the_detector_of_the_keys(tmp_path, energy, clen, fs):
    found = read(tmp_path, ONE_PANEL.format(energy=energy, clen=clen, fs=fs))
    keys = flat((24, 30), (11.1, 14.4), 0.05504 / 172e-6, (0.0, 0.0, -1.0), 1.03324)
    assert found.geometry.wavelength == pytest.approx(1.03324, rel=1e-12)
    assert found.geometry.D == pytest.approx(keys.D, rel=1e-12)
    here, there = (usable_pixels(made, np.zeros((24, 30), bool)) for made in (found.geometry, keys))
    assert np.array_equal(here.index, there.index)
    np.testing.assert_allclose(here.q, there.q, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(here.polar, there.polar, rtol=1e-12)
    assert not found.bad.any()
    assert geom.dataset(tmp_path / "detector.geom") == "/entry/data/data"


@pytest.mark.parametrize(("clen", "factor"), [("/entry/distance", 1e-3), ("/entry/distance mm", 1e-3), ("/entry/distance m", 1.0)])
def test_camera_length_and_energy_of_the_frames(tmp_path, clen, factor):
    text = ONE_PANEL.format(energy="/entry/energy keV", clen=clen, fs="x")
    found = read(tmp_path, text, {"/entry/distance": 0.2 / factor, "/entry/energy": 10.0}.__getitem__)
    assert found.geometry.D == pytest.approx(0.2 * 5813.953488372093)
    assert found.geometry.wavelength == pytest.approx(1.2398419843320026)


def test_keys_stand_above_the_file(tmp_path):
    text = ONE_PANEL.format(energy="/entry/energy", clen="/entry/distance", fs="x")
    found = read(tmp_path, text, wavelength=1.5, distance=0.3)
    assert found.geometry.wavelength == 1.5
    assert found.geometry.D == pytest.approx(0.3 * 5813.953488372093)
    assert read(tmp_path, text, wavelength=1.5, distance=0.3, shape=(40, 35)).geometry.shape == (40, 35)


def test_panels_lie_where_crystfel_has_them(tmp_path):
    """x = (corner_x + (fs - min_fs + 1/2) fs_x + (ss - min_ss + 1/2) ss_x) / res, and so on; here in pixels of the first panel's size."""
    found = read(tmp_path, PANELS)
    made = found.geometry
    assert found.names == ("low", "high") and made.shape == (16, 12)
    assert made.D == pytest.approx(np.median([0.1, 0.1002]) * 10000)
    vectors = {
        "low": (10000, (1.5, -9.25, 0), (0.999, -0.04, 0), (0.04, 0.999, 0.01), (0, 0), 0.1),
        "high": (20000, (-3.5, 12.0, 0), (-0.01, 1.0, 0), (-1.0, 0, 0), (2, 8), 0.1002),
    }
    position = np.full((16 * 12, 3), np.nan)
    for index, places, _ in made.blocks():
        position[index] = places
    for name, rows, columns in (("low", range(8), range(10)), ("high", range(8, 16), range(2, 12))):
        res, corner, fs, ss, (first_fs, first_ss), height = vectors[name]
        for row in rows:
            for column in columns:
                pixel = np.array(corner) + (column - first_fs + 0.5) * np.array(fs) + (row - first_ss + 0.5) * np.array(ss)
                x, y, z = (pixel / res + [0, 0, height]) * 10000
                np.testing.assert_allclose(position[row * 12 + column], [y, x, -z], rtol=1e-12)
    assert np.isnan(position.reshape(16, 12, 3)[:8, 10:]).all() and np.isnan(position.reshape(16, 12, 3)[8:, :2]).all()


def test_solid_angle_counts_the_size_of_the_pixels(tmp_path):
    pixels = usable_pixels(read(tmp_path, PANELS).geometry, np.zeros((16, 12), bool))
    high = pixels.index >= 8 * 12
    assert pixels.polar[high].max() == pytest.approx(0.25, rel=0.02)
    assert pixels.polar[~high].max() == 1


def test_bad_regions_and_gaps(tmp_path):
    found = read(tmp_path, PANELS)
    bad = found.bad
    assert bad[:8, 10:].all() and bad[8:, :2].all()
    assert bad[:8, :2].all() and not bad[8:, 2:4].any()
    x = 1.5 + 0.999 * (np.arange(10) + 0.5)[None, :] + 0.04 * (np.arange(8) + 0.5)[:, None]
    assert np.array_equal(bad[:8, 2:10], ((x > 9.4) & (x < 11.6))[:, 2:])


def test_a_panel_that_is_not_used(tmp_path):
    assert read(tmp_path, PANELS + "high/no_index = 1\n").bad[8:].all()
    assert not read(tmp_path, PANELS + "high/no_index = 0\n").bad[8:, 2:].all()


def test_an_array_of_panels_is_stacked(tmp_path):
    text = PANELS.replace("dim1 = ss\ndim2 = fs", "dim2 = ss\ndim3 = fs").replace("low/min_fs", "low/dim1 = 0\nlow/min_fs", 1)
    text = text.replace("high/min_fs", "high/dim1 = 1\nhigh/min_fs", 1).replace("high/min_ss = 8", "high/min_ss = 0")
    text = text.replace("high/max_ss = 15", "high/max_ss = 7")
    one, stacked = read(tmp_path, PANELS), read(tmp_path, text)
    assert stacked.geometry.shape == (16, 12)
    for (i, a, _), (j, b, _) in zip(one.geometry.blocks(), stacked.geometry.blocks()):
        assert np.array_equal(i, j) and np.allclose(a, b)


def test_a_data_array_whose_slow_axis_is_fs(tmp_path):
    turned = read(tmp_path, PANELS.replace("dim1 = ss\ndim2 = fs", "dim1 = fs\ndim2 = ss"))
    usual = read(tmp_path, PANELS)
    assert turned.geometry.shape == (12, 16)
    assert np.array_equal(turned.bad, usual.bad.T)
    positions = [np.zeros((16 * 12, 3)) for _ in range(2)]
    for place, found in zip(positions, (turned, usual)):
        for index, values, _ in found.geometry.blocks():
            place[index] = values
    np.testing.assert_allclose(positions[0].reshape(12, 16, 3), positions[1].reshape(16, 12, 3).swapaxes(0, 1))


def test_masks_that_the_file_names(tmp_path):
    text = "mask = /entry/mask\nmask_good = 0x0\nmask_bad = 0xffff\n" + PANELS + "low/mask1_data = /m\nlow/mask1_file = m.h5\n"
    text += "low/mask1_goodbits = 0x1\nlow/mask1_badbits = 0x6\n"
    masks = read(tmp_path, text).masks
    assert geom.MaskSource("/entry/mask", "", 0, 0xFFFF, "high") in masks
    assert geom.MaskSource("/m", "m.h5", 1, 6, "low") in masks
    assert len(masks) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("clen = 0.1", "clen = 100 mm"), None),
        (("clen = 0.1", "clen = 0.1 furlong"), "furlong"),
        (("clen = 0.1", "clen = 1000"), "expected metres"),
        (("wavelength = 1.2 A", ""), "photon_energy = 0"),
        (("wavelength = 1.2 A", "photon_energy = 9"), "photon_energy = 9"),
        (("high/corner_x = -3.5", ""), "panel high has no corner_x"),
        (("res = 10000\n", "res = 0\n"), "pixels per metre"),
        (("high/min_ss = 8", "high/min_ss = 7"), "overlap"),
        (("low/max_fs = 9\n", ""), "maximum fs"),
        (("dim0 = %", "data = /entry_%/data\ndim0 = %"), "separate HDF5 groups"),
        (("high/ss = -1.0x", "high/ss = -1.0q"), "not a CrystFEL geometry"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, words):
    text = PANELS.replace(*change)
    if words is None:
        read(tmp_path, text)
        return
    with pytest.raises(InputFileError, match=words) as caught:
        read(tmp_path, text)
    assert "detector.geom" in str(caught.value)


def test_other_files_are_no_geometry(tmp_path):
    with pytest.raises(InputFileError, match="cannot be read"):
        geom.read(tmp_path / "none.geom", nothing_asked)
    with pytest.raises(InputFileError, match="No panel"):
        read(tmp_path, "home_dir = /tmp\n")
    with pytest.raises(InputFileError, match="24 x 30 pixels, but config.ini says"):
        read(tmp_path, ONE_PANEL.format(energy=9000, clen=0.1, fs="x"), shape=(20, 30))
