"""ccd.h5: round trip, streaming, the file of the reference."""

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.ccd import open_ccd, read_any_model, read_ccd, read_model, read_plane_model, write_ccd
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation


def example():
    rng = np.random.default_rng(0)
    invariants = rng.normal(size=(4, 3, 3))
    invariants[1::2] = 0
    correlation = {"I1I1": rng.normal(size=(3, 3, 6))}
    return CrossCorrelation(3, np.arange(1.0, 4), np.arange(6.0), 1.5, rng.random(3), correlation, invariants, 2)


def assert_same(found, expected):
    for name in ("q", "delta", "average_intensity", "invariants"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.correlation["I1I1"], expected.correlation["I1I1"])
    assert (found.dimensions, found.wavelength, found.n_particles) == (3, 1.5, 2)


def test_round_trip(tmp_path):
    write_ccd(tmp_path / "ccd.h5", example())
    assert_same(read_ccd(tmp_path / "ccd.h5"), example())
    assert read_model(tmp_path / "ccd.h5") is None
    assert [path.name for path in tmp_path.iterdir()] == ["ccd.h5"]


def test_blocks_are_streamed(tmp_path):
    full = example()
    data = CrossCorrelation(3, full.q, full.delta, 1.5, full.average_intensity, invariants=full.invariants, n_particles=2)
    values = full.correlation["I1I1"]
    write_ccd(tmp_path / "ccd.h5", data, iter([(slice(0, 2), values[:2]), (slice(2, 3), values[2:])]))
    assert_same(read_ccd(tmp_path / "ccd.h5"), full)


def test_an_interrupted_file_does_not_appear(tmp_path):
    def broken():
        yield slice(0, 1), np.zeros((1, 3, 6))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_ccd(tmp_path / "ccd.h5", example_without_correlation(), broken())
    assert not list(tmp_path.iterdir())


def example_without_correlation():
    full = example()
    return CrossCorrelation(3, full.q, full.delta, 1.5, full.average_intensity)


def test_fields_and_units_are_those_of_the_reference(tmp_path, data_folder):
    write_ccd(tmp_path / "ccd.h5", example())
    with h5py.File(tmp_path / "ccd.h5") as ours, h5py.File(data_folder / "xframe/3d/simulate_ccd/q_base/ccd.h5") as theirs:
        names = []
        theirs.visit(names.append)
        for name in names:
            assert name in ours
            if isinstance(theirs[name], h5py.Dataset):
                assert ours[name].ndim == theirs[name].ndim
        assert ours["radial_points"].attrs["unit"] == "1/A"


def test_large_fields_stay_on_disk(tmp_path):
    write_ccd(tmp_path / "ccd.h5", example())
    with open_ccd(tmp_path / "ccd.h5") as data:
        assert isinstance(data.correlation["I1I1"], h5py.Dataset)


def test_the_model_comes_back(tmp_path):
    solids = shapes.build(["cube"], [(1, 1, 1)], [2], [3], [True], 0)
    r, theta, phi = np.linspace(0, 6, 7), np.linspace(0.1, 3, 5), np.linspace(0, 5, 6)
    model = shapes.Model(solids, r, theta, phi, shapes.density_on(solids, r, theta, phi))
    write_ccd(tmp_path / "ccd.h5", example(), model=model)
    found = read_model(tmp_path / "ccd.h5")
    assert found.shapes == solids
    np.testing.assert_array_equal(found.density, model.density)
    np.testing.assert_array_equal(shapes.density_on(found.shapes, found.r, found.theta, found.phi), found.density)


def plane_example():
    rng = np.random.default_rng(0)
    invariants = rng.normal(size=(4, 3, 3)) + 1j * rng.normal(size=(4, 3, 3))
    correlation = {"I1I1": rng.normal(size=(3, 3, 8))}
    angles = 2 * np.pi * np.arange(8) / 8
    return CrossCorrelation(2, np.arange(1.0, 4), angles, 1.5, rng.random(3), correlation, invariants, 2)


def test_the_plane(tmp_path):
    figures = plane_shapes.build(["square"], [(1, 1)], [2], [3], [True], 0)
    r, phi = np.linspace(0, 6, 7), np.linspace(0, 5, 6)
    model = plane_shapes.PlaneModel(figures, r, phi, plane_shapes.density_on(figures, r, phi))
    write_ccd(tmp_path / "ccd.h5", plane_example(), model=model)
    data = read_ccd(tmp_path / "ccd.h5")
    assert data.dimensions == 2 and not data.measured
    np.testing.assert_array_equal(data.invariants, plane_example().invariants)
    np.testing.assert_array_equal(data.delta, plane_example().delta)
    found = read_plane_model(tmp_path / "ccd.h5")
    assert found.shapes == figures == read_any_model(tmp_path / "ccd.h5").shapes
    np.testing.assert_array_equal(found.density, model.density)
    with pytest.raises(InputFileError, match="dimensions: 2"):
        read_model(tmp_path / "ccd.h5")


def test_a_model_in_space_is_none_of_the_plane(tmp_path):
    solids = shapes.build(["cube"], [(1, 1, 1)], [2], [3], [True], 0)
    grid = np.linspace(0, 6, 7), np.linspace(0.1, 3, 5), np.linspace(0, 5, 6)
    write_ccd(tmp_path / "ccd.h5", example(), model=shapes.Model(solids, *grid, shapes.density_on(solids, *grid)))
    with pytest.raises(InputFileError, match="dimensions: 3"):
        read_plane_model(tmp_path / "ccd.h5")


def test_files_of_the_reference_tell_their_dimensions(tmp_path, data_folder):
    """They have no field for it: 2L + 1 angles for 2L values are a simulation in 2D, as many a simulation in 3D, patterns are either."""
    folder = data_folder / "xframe"
    assert read_ccd(folder / "2d/simulate_ccd/a2_base/ccd.h5").dimensions == 2
    assert read_ccd(folder / "3d/simulate_ccd/q_base/ccd.h5").dimensions == 3
    write_ccd(tmp_path / "ccd.h5", plane_example())
    with h5py.File(tmp_path / "ccd.h5", "a") as file:
        del file["dimensions"]
        file["num_images_processed"] = 5
    data = read_ccd(tmp_path / "ccd.h5")
    assert data.dimensions is None and data.measured


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(InputFileError, match="simulate_ccd"):
        read_ccd(tmp_path / "absent.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["radial_points"] = np.arange(3)
    with pytest.raises(InputFileError, match="other.h5.*not a file of cross-correlations"):
        read_ccd(tmp_path / "other.h5")


def test_fields_may_have_other_names(tmp_path):
    rng = np.random.default_rng(0)
    values, squared = rng.normal(size=(2, 3, 3, 8))
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["q"], file["phi"], file["wavelength"] = np.arange(1.0, 4), np.arange(8) * np.pi / 4, 1.5
        file["saxs"], file["ccf"], file["cross_correlation/I2I2"] = np.ones(3), values, squared
        file["average_squared_intensity"] = 2 * np.ones(3)
    names = {
        "radial_points": "q",
        "angular_points": "phi",
        "xray_wavelength": "wavelength",
        "average_intensity": "saxs",
        "cross_correlation/I1I1": "ccf",
    }
    with open_ccd(tmp_path / "old.h5", names) as data:
        assert (data.wavelength, len(data.q), len(data.delta)) == (1.5, 3, 8)
        np.testing.assert_array_equal(data.correlation["I1I1"][()], values)
        np.testing.assert_array_equal(data.correlation["I2I2"][()], squared)
        np.testing.assert_array_equal(data.average_squared_intensity, [2, 2, 2])
    with pytest.raises(InputFileError, match="angular_points"), open_ccd(tmp_path / "old.h5"):
        pass
    with pytest.raises(InputFileError, match="no field xcca"), open_ccd(tmp_path / "old.h5", {**names, "cross_correlation/I1I1": "xcca"}):
        pass
