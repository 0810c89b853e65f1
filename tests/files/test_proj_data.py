"""proj_data.h5: round trip, the file of the reference."""

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.proj_data import read_proj_data, write_proj_data
from fxs_hpc.fluctuation.data_sets import DataSet, SquaredIntensity
from fxs_hpc.fluctuation.invariants import InvariantData


def example():
    rng = np.random.default_rng(0)
    matrices = [rng.normal(size=(4, 1)), np.zeros((4, 3)), rng.normal(size=(4, 4)) + 1j]
    invariants = np.stack([(matrix @ matrix.conj().T).real for matrix in matrices])
    limits = np.array([[0, 4], [1, 4], [2, 3]])
    return InvariantData(
        3, 1.2, 2, rng.random(4), np.arange(1.0, 5), np.arange(6.0), matrices, limits, invariants, invariants > 0, matrices[:2], 3
    )


def test_round_trip(tmp_path):
    path, data = tmp_path / "proj_data.h5", example()
    write_proj_data(path, data)
    found = read_proj_data(path)
    for name in ("average_intensity", "q", "delta", "q_id_limits", "invariants", "invariant_masks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(data, name))
    for name in ("projection_matrices", "low_resolution_coefficients"):
        for ours, theirs in zip(getattr(found, name), getattr(data, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert [np.iscomplexobj(matrix) for matrix in found.projection_matrices] == [False, False, True]
    assert (found.dimensions, found.wavelength, found.max_order, found.n_particles) == (3, 1.2, 2, 3)


def test_invariants_may_be_left_out_on_either_side(tmp_path):
    write_proj_data(tmp_path / "a.h5", example())
    assert read_proj_data(tmp_path / "a.h5", with_invariants=False).invariants is None
    write_proj_data(tmp_path / "b.h5", example().without_invariants())
    found = read_proj_data(tmp_path / "b.h5")
    assert found.invariants is None and found.invariant_masks is not None


def assert_same_fields(ours_path, reference_path):
    with h5py.File(ours_path) as ours, h5py.File(reference_path) as theirs:
        names = []
        theirs.visit(names.append)
        for name in names:
            assert name in ours
            if isinstance(theirs[name], h5py.Dataset):
                assert ours[name].shape == theirs[name].shape
                np.testing.assert_array_equal(ours[name][()], theirs[name][()])


def test_fields_are_those_of_the_reference(tmp_path, data_folder):
    reference = data_folder / "xframe/3d/extract/e_bs/proj_data.h5"
    data = read_proj_data(reference)
    assert data.max_order == 15 and not np.iscomplexobj(data.projection_matrices[4])
    write_proj_data(tmp_path / "proj_data.h5", data)
    assert_same_fields(tmp_path / "proj_data.h5", reference)


def test_fields_in_the_plane_are_those_of_the_reference(tmp_path, data_folder):
    reference = data_folder / "xframe/2d/extract/a2_e/proj_data.h5"
    data = read_proj_data(reference)
    assert data.dimensions == 2
    assert [(matrix.shape, matrix.dtype) for matrix in data.projection_matrices] == [((32, 1), np.complex128)] * 16
    assert np.iscomplexobj(data.invariants)
    write_proj_data(tmp_path / "proj_data.h5", data)
    assert_same_fields(tmp_path / "proj_data.h5", reference)
    again = read_proj_data(tmp_path / "proj_data.h5")
    np.testing.assert_array_equal(again.projection_matrices[4], data.projection_matrices[4])


def test_error_estimates_are_those_of_the_reference(tmp_path, reference_data):
    reference = reference_data / "xframe/2d/extract/a2_e/proj_data.h5"
    write_proj_data(tmp_path / "proj_data.h5", read_proj_data(reference))
    assert_same_fields(tmp_path / "proj_data.h5", reference)


def test_squared_intensities_lie_beside_and_are_passed_over(tmp_path):
    data, rng = example(), np.random.default_rng(1)
    mixed, squared = rng.normal(size=(2, 3, 4, 4))
    matrices = [rng.normal(size=(4, k)) for k in (1, 3, 4)]
    transforms = [np.eye(k) for k in (1, 3, 4)]
    limits = np.array([[0, 4]] * 3)
    sets = {"I2I1": DataSet(limits, mixed, mixed > 0), "I2I2": DataSet(limits, squared, squared > 0, matrices)}
    write_proj_data(tmp_path / "a.h5", data, SquaredIntensity(sets, transforms))
    write_proj_data(tmp_path / "b.h5", data)
    assert_same_fields(tmp_path / "a.h5", tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["deg_2_invariant/I2I1"][()], mixed)
        np.testing.assert_array_equal(file["data_projection_matrices/I2I2/2"][()], matrices[2])
        np.testing.assert_array_equal(file["unknown_transforms/I2I1/1"][()], np.eye(3))
        assert "I2I1" not in file["data_projection_matrices"]
    assert len(read_proj_data(tmp_path / "a.h5").projection_matrices) == 3


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(InputFileError, match="extract"):
        read_proj_data(tmp_path / "absent.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["dimensions"] = 3
    with pytest.raises(InputFileError, match="not a file of extracted invariants"):
        read_proj_data(tmp_path / "other.h5")
