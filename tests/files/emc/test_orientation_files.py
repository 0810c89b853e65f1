"""Files of rotations, candidates, peak maps and symmetry operators: round trips, errors, and the reference's files."""

import lzma
import shutil

import numpy as np
import pytest

from fxs_hpc.emc import quaternions, symmetry
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.peak_maps import PeakMap
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import candidates, peak_maps, sym_op
from fxs_hpc.files.emc import quaternions as quaternion_file

LISTS = [np.array([3, 8, 11]), np.array([], int), np.array([0]), np.array([], int)]


def unpacked(reference_data, tmp_path, name):
    target = tmp_path / name.replace("/", "_")
    with lzma.open(reference_data / "emc" / f"{name}.xz") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    return target


def test_quaternions_come_back(tmp_path):
    path = tmp_path / "c-quaternion3.bin"
    quaternion_file.write(path, quaternions.sample_count(3), quaternions.blocks(3))
    assert path.stat().st_size == quaternion_file.size(quaternions.sample_count(3))
    for found, expected in zip(quaternion_file.read(path), quaternions.samples(3)):
        np.testing.assert_array_equal(found, expected)
    assert quaternion_file.num_div_of(path) == 3
    with pytest.raises(DataError, match="announced"):
        quaternion_file.write(path, 17, quaternions.blocks(3))
    np.testing.assert_array_equal(quaternion_file.read(path)[0], quaternions.samples(3)[0])


def test_damaged_quaternions_are_refused(tmp_path):
    path = tmp_path / "c-quaternion2.bin"
    with pytest.raises(InputFileError, match="make-quaternion"):
        quaternion_file.read(path)
    quaternion_file.write(path, quaternions.sample_count(2), quaternions.blocks(2))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputFileError, match=r"16796 bytes, expected 16804 bytes by its header"):
        quaternion_file.mapped(path)
    with pytest.raises(InputFileError, match="must contain quaternion<N>"):
        quaternion_file.num_div_of(tmp_path / "rotations.bin")


def test_candidates_of_frames(tmp_path):
    path = tmp_path / "prob_orien-00012.dat"
    found = candidates.Explained(np.array([5, 70, 900], np.int32), np.array([3, 4, 3], np.int32), 7)
    candidates.write_frame(path, found)
    assert path.read_text() == "3\n5\n70\n900\n"
    assert (tmp_path / "explained-00012.dat").read_text() == "3 7\n5 3\n70 4\n900 3\n"
    again = candidates.read_explained(path)
    np.testing.assert_array_equal(again.rotation, found.rotation)
    np.testing.assert_array_equal(again.peaks, found.peaks)
    assert again.of_peaks == 7


def test_files_of_an_earlier_run_go_where_no_candidate_is_left(tmp_path):
    path = tmp_path / "prob_orien-00012.dat"
    candidates.write_frame(path, candidates.Explained(np.array([5]), np.array([3]), 7))
    candidates.write_frame(path, candidates.Explained(np.array([], np.int32), np.array([], np.int32), 7))
    assert list(tmp_path.iterdir()) == []
    assert len(candidates.read_frame(path)) == 0
    assert len(candidates.read_explained(path).rotation) == 0


def test_candidates_of_frames_that_contradict_themselves(tmp_path):
    path = tmp_path / "prob_orien-1.dat"
    path.write_text("3\n5\n70\n")
    with pytest.raises(InputFileError, match="2 rotations, but the first line says 3"):
        candidates.read_frame(path)
    path.write_text("2\n5\n70\n")
    with pytest.raises(InputFileError, match="the reference program does not write it"):
        candidates.read_explained(path)
    (tmp_path / "explained-1.dat").write_text("2 9\n5 3\n71 3\n")
    with pytest.raises(InputFileError, match="other rotations"):
        candidates.read_explained(path)


def test_candidates_of_reduced_frames(tmp_path):
    path = tmp_path / "prob-orien.bin"
    given = Candidates.of_lists(LISTS)
    candidates.write(path, given)
    np.testing.assert_array_equal(np.fromfile(path, "<i4"), [3, 3, 8, 11, 0, 1, 0, 0])
    found = candidates.read(path, 4, 12)
    np.testing.assert_array_equal(found.first, given.first)
    np.testing.assert_array_equal(found.rotation, given.rotation)
    np.testing.assert_array_equal(found[0], [3, 8, 11])
    np.testing.assert_array_equal(found.visited(), [0, 3, 8, 11])
    with pytest.raises(InputFileError, match="4 frames, expected 5"):
        candidates.read(path, 5)
    with pytest.raises(InputFileError, match="rotation 11, but quat_file has 11"):
        candidates.read(path, 4, 11)
    path.write_bytes(path.read_bytes()[:12])
    with pytest.raises(InputFileError, match="list of frame 0 does not fit"):
        candidates.read(path)


def test_no_candidates_at_all(tmp_path):
    path = tmp_path / "prob-orien.bin"
    candidates.write(path, Candidates.of_lists([]))
    assert len(candidates.read(path)) == 0


def test_peak_maps_come_back_whole_and_in_parts(tmp_path):
    path = tmp_path / "r2peak.bin"
    entries = np.arange(18, dtype=np.int32).reshape(6, 3)
    whole = PeakMap(np.array([0, 2, 2, 5, 6]), entries)
    parts = [PeakMap(np.array([0, 2, 2]), entries[:2]), PeakMap(np.array([0, 3, 4]), entries[2:])]
    peak_maps.write(path, parts)
    assert path.stat().st_size == peak_maps.size(4, 6)
    np.testing.assert_array_equal(np.fromfile(path, "<i4")[:8], [2, *range(6), 0])
    found = peak_maps.read(path, 4)
    np.testing.assert_array_equal(found.first, whole.first)
    np.testing.assert_array_equal(found.entries, whole.entries)
    for start in range(5):
        for stop in range(start, 5):
            part = peak_maps.read_entries(path, peak_maps.index(path), start, stop)
            np.testing.assert_array_equal(part, entries[whole.first[start] : whole.first[stop]])
    with pytest.raises(InputFileError, match="4 lists, expected 5"):
        peak_maps.read(path, 5)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputFileError, match="list 3 does not fit"):
        peak_maps.read(path)


def test_long_peak_maps_are_indexed(tmp_path):
    path = tmp_path / "r2peak.bin"
    counts = np.random.default_rng(0).integers(0, 4, 3000)
    given = PeakMap(np.concatenate([[0], np.cumsum(counts)]), np.arange(3 * counts.sum(), dtype=np.int32).reshape(-1, 3))
    peak_maps.write(path, [given])
    np.testing.assert_array_equal(peak_maps.index(path, 3000), given.first)


@pytest.mark.parametrize("name", ["r2peak-low", "peak2r-low", "r2peak-local", "peak2r-local"])
def test_peak_maps_of_the_reference(reference_data, tmp_path, name):
    path = unpacked(reference_data, tmp_path, f"Data/mpi-{name}.bin")
    lists = {"r2peak-low": 245820, "peak2r-low": 652, "r2peak-local": 10572, "peak2r-local": 1522}[name]
    peak_maps.write(tmp_path / "again", [peak_maps.read(path, lists)])
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_candidates_of_the_reference(reference_data, tmp_path):
    path = unpacked(reference_data, tmp_path, "aux/prob-orien.bin")
    found = candidates.read(path, 468, 245820)
    assert len(found.rotation) == 83784
    candidates.write(tmp_path / "again", found)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    counts = candidates.read_counts(reference_data / "emc" / "orient-peak" / "num_prob_orien.dat")
    assert sorted(counts[counts > 0]) == sorted(found.counts)
    candidates.write_counts(tmp_path / "counts", counts)
    assert (tmp_path / "counts").read_bytes() == (reference_data / "emc" / "orient-peak" / "num_prob_orien.dat").read_bytes()


def test_symmetry_operators_come_back_to_the_last_bit(tmp_path):
    lattice = Lattice(np.array([[24.0, -12, 0], [0, 12 * 3**0.5, 0], [0, 0, 18]]))
    group = symmetry.of_space_group("P 61 2 2", lattice)
    sym_op.write(tmp_path / "sym-op.dat", group)
    np.testing.assert_array_equal(sym_op.read_matrices(tmp_path / "sym-op.dat"), group.matrices)
    sym_op.write(tmp_path / "sym-op.dat", group, "%1.3e")
    np.testing.assert_allclose(sym_op.read(tmp_path / "sym-op.dat", lattice).matrices, group.matrices, atol=1e-14)


def test_damaged_symmetry_operators(tmp_path):
    path = tmp_path / "sym-op.dat"
    lattice = Lattice(np.diag([24.0, 24, 18]))
    for text, message in (
        ("", "expected the number of operators"),
        ("2\n1 0 0 0 1 0 0 0 1\n", "9 numbers for 2 operators, expected 18"),
        ("1\n1 0 0 0 2 0 0 0 1\n", "not orthogonal"),
        ("1\n1 0 0 0 1 0 0 0 1\n", "1 different operators"),
    ):
        path.write_text(text)
        with pytest.raises(InputFileError, match=message):
            sym_op.read(path, lattice)


def test_symmetry_operators_of_the_reference(reference_data, tmp_path):
    """Its file is the Laue group 4/mmm, in an order of its own."""
    path = reference_data / "emc" / "aux" / "sym-op.dat"
    lattice = Lattice(np.diag([24.0, 24, 18]))
    found, made = sym_op.read(path, lattice), symmetry.of_lattice(lattice)
    assert found.name == "4/mmm"
    sym_op.write(tmp_path / "sym-op.dat", made, "%1.3e")
    assert sorted(path.read_text().split("\n")) == sorted((tmp_path / "sym-op.dat").read_text().split("\n"))
