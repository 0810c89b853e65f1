"""make-mask and make-detector: where masks come from, when they are made again, and the reference's files."""

import json
import tarfile

import front_end_run
import h5py
import numpy as np
import pytest
import reference_run
from front_end_run import CENTRE, SHAPE, context

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import mask, rec_vectors
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc import inputs, make_detector, make_mask, mask_sources
from fxs_hpc.stages.emc.context import Context


@pytest.fixture
def home(tmp_path):
    counts = front_end_run.frames(3)
    counts[1, 7, 8] = 40_000
    front_end_run.write_cbf(tmp_path / "raw/run1", counts)
    return tmp_path


def masked(home):
    return mask.read(home / "make-detector/MASK.bin", SHAPE)


def usable(home):
    found = np.zeros(SHAPE, bool)
    found.flat[rec_vectors.read(home / "make-detector/rec-vectors.bin", SHAPE).index] = True
    return found


def test_without_a_mask_all_pixels_in_range_are_usable(home):
    made, said = context(home)
    make_detector.run(made)
    assert not masked(home).any()
    rows, columns = np.indices(SHAPE)
    modulus = 2 * 90 * np.sin(np.arctan(np.hypot(rows - CENTRE[0], columns - CENTRE[1]) / 90) / 2)
    assert np.array_equal(usable(home), (modulus >= 4) & (modulus <= 29))
    assert (home / "make-detector/detector.png").read_bytes().startswith(b"\x89PNG")
    assert any("no key of a mask" in line for line in said)


def test_a_mask_is_made_of_all_its_sources(home):
    extra = np.zeros(SHAPE, bool)
    extra[50:, 50:] = True
    np.save(home / "extra.npy", extra)
    made, _ = context(home, mask_file="extra.npy", holder_half_width=3)
    make_mask.run(made, home / "raw/run1/sim_00001.cbf")
    rows, columns = np.indices(SHAPE)
    holder = (np.abs(rows - CENTRE[0]) < 3) & (columns < CENTRE[1])
    expected = extra | holder | (rows == 40)
    expected[7, 8] = True
    assert np.array_equal(masked(home), expected)
    text = (home / "aux/mask.dat").read_text().split()
    assert np.array_equal(np.array(text, int).reshape(SHAPE), expected)
    make_detector.run(made)
    assert np.array_equal(masked(home), expected)
    assert not (usable(home) & expected).any()


def test_a_mask_is_made_again_when_its_keys_change_and_keeps_its_frame(home):
    made, _ = context(home)
    make_mask.run(made, home / "raw/run1/sim_00000.cbf")
    make_detector.run(context(home, holder_half_width=2)[0])
    assert masked(home)[40].all() and masked(home)[29, 5]
    make_detector.run(context(home)[0])
    assert masked(home)[40].all() and not masked(home)[29, 5]


def test_a_mask_from_elsewhere_is_taken_as_it_is(home):
    odd = np.zeros(SHAPE, bool)
    odd[::2] = True
    mask.write(home / "make-detector/MASK.bin", home / "aux/mask.dat", odd)
    made, said = context(home, mask_frame="raw/run1/sim_00000.cbf")
    make_detector.run(made)
    assert np.array_equal(masked(home), odd) and not (usable(home) & odd).any()
    assert "as it is" in said[0] and "make-mask" in said[0]


def test_the_pixel_mask_of_hdf5_frames_is_a_mask(home):
    bad = np.zeros(SHAPE, np.uint32)
    bad[3:6, 3:6] = 1
    with h5py.File(home / "raw.h5", "w") as file:
        file["/entry/data/data"] = front_end_run.frames(2)
        file["/entry/instrument/detector/pixel_mask"] = bad
    make_detector.run(context(home, frames="raw.h5")[0])
    assert np.array_equal(masked(home), bad > 0)


GEOM = """
wavelength = 1.0 A
clen = {clen}
res = 10000
data = /entry/data/data
mask = /entry/good
mask_good = 0x1
mask_bad = 0x4
dim0 = %
dim1 = ss
dim2 = fs
bad0/min_fs = 0
bad0/max_fs = 2
bad0/min_ss = 0
bad0/max_ss = 59
p0/min_fs = 0
p0/max_fs = 63
p0/min_ss = 0
p0/max_ss = 59
p0/corner_x = -32.2
p0/corner_y = -29.7
p0/fs = x
p0/ss = y
"""
BY_FILE = dict.fromkeys(("num_row", "num_col", "cx", "cy", "detd", "px", "wl"))


@pytest.fixture
def with_geometry(home):
    (home / "jf.geom").write_text(GEOM.format(clen="/entry/distance"))
    bits = np.ones(SHAPE, np.uint16)
    bits[10] = 0
    bits[11] = 5
    with h5py.File(home / "raw.h5", "w") as file:
        file["/entry/data/data"] = front_end_run.frames(2)
        file["/entry/good"], file["/entry/distance"] = bits, 9.0
    return home


def test_a_geometry_file_gives_the_detector_of_the_keys(with_geometry):
    home = with_geometry
    make_detector.run(context(home)[0])
    by_keys = rec_vectors.read(home / "make-detector/rec-vectors.bin", SHAPE)
    made, said = context(home, **BY_FILE, geometry_file="jf.geom", frames="raw.h5")
    make_detector.run(made)
    by_file = rec_vectors.read(home / "make-detector/rec-vectors.bin", SHAPE)
    bad = np.zeros(SHAPE, bool)
    bad[10:12], bad[:, :3] = True, True
    assert np.array_equal(masked(home), bad)
    kept = ~bad.ravel()[by_keys.index]
    assert np.array_equal(by_file.index, by_keys.index[kept])
    np.testing.assert_allclose(by_file.q, by_keys.q[kept], atol=1e-10)
    assert "jf.geom" in said[0]
    assert inputs.frame_source(made).read(0).shape == SHAPE


def test_a_camera_length_that_is_nowhere_is_named(with_geometry):
    (with_geometry / "jf.geom").write_text(GEOM.format(clen="/entry/length"))
    made, _ = context(with_geometry, **BY_FILE, geometry_file="jf.geom", frames="raw.h5")
    with pytest.raises(InputFileError, match="raw.h5: there is no dataset /entry/length"):
        make_detector.run(made)
    make_detector.run(context(with_geometry, **{**BY_FILE, "detd": 0.009}, geometry_file="jf.geom", frames="raw.h5")[0])


def test_a_mask_of_another_detector_is_refused(home):
    np.save(home / "m.npy", np.zeros((3, 3)))
    with pytest.raises(InputFileError, match="9 values"):
        make_detector.run(context(home, mask_file="m.npy")[0])
    assert not (home / "make-detector/rec-vectors.bin").exists()


def test_the_note_of_the_sources_is_checked(home):
    make_detector.run(context(home)[0])
    assert json.loads((home / "make-detector/mask.json").read_text())["holder"] is None
    (home / "make-detector/mask.json").write_text("{")
    with pytest.raises(InputFileError, match="mask.json: damaged"):
        mask_sources.recorded(context(home)[0])


def test_plan_says_size_and_what_is_missing(home):
    plan = make_detector.plan(context(home, mask_file="nothing.npy")[0])
    assert "60 x 64 pixels" in plan.lines[0] and "29 pixels" in plan.lines[1]
    assert plan.missing == (f"{home}/nothing.npy: of the mask",)


def test_files_of_the_reference(reference_data, tmp_path):
    source = reference_data / "emc"
    config = reference_run.config(source, tmp_path)
    config.write_text(config.read_text() + "holder_half_width = 6\n")
    with tarfile.open(source / "frames.tar.xz") as archive:
        first = next(member for member in archive if member.isfile())
        archive.extract(first, tmp_path, filter="data")
    made = Context(EmcConfig(ini.load(config)), Alone(), 1, lambda line: None, "test")
    make_mask.run(made, tmp_path / first.name)
    make_detector.run(made)
    for name in ("aux/mask.dat", *(f"make-detector/{n}" for n in ("MASK.bin", "pix-map.dat", "pix-map.bin", "rec2pix-map.dat"))):
        assert (tmp_path / name).read_bytes() == reference_run.content(source, tmp_path, name), name
    there = np.frombuffer(reference_run.content(source, tmp_path, "make-detector/rec-vectors.bin")[12:])
    here = np.fromfile(tmp_path / "make-detector/rec-vectors.bin", offset=12)
    np.testing.assert_allclose(here, there, rtol=1e-12)
