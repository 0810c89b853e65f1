"""Densities of the plane for simulations, from every kind of file."""

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.density_files import read_density
from fxs_hpc.files.plane_density_files import read_plane_density
from fxs_hpc.files.vts import write_plane_vts, write_vts

R, PHI = np.array([1.0, 2.0, 3.0]), 2 * np.pi * np.arange(5) / 5
DENSITY = np.random.default_rng(0).random((3, 5)).astype(np.float32)


def grid():
    return np.stack(np.meshgrid(R, PHI, indexing="ij"), axis=-1)


def test_polar_grids(tmp_path):
    write_plane_vts(tmp_path / "a.vts", R, PHI, {"density": DENSITY})
    np.savez(tmp_path / "b.npz", density=DENSITY, r=R, phi=PHI)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["configuration/internal_grid/real_grid"] = grid()
        for name, error in (("0", 0.5), ("1", 0.1)):
            file[f"reconstruction_results/{name}/last_real_density"] = DENSITY.astype(complex) * (1 if name == "1" else 7)
            file[f"reconstruction_results/{name}/final_error"] = error
    with h5py.File(tmp_path / "average_results.h5", "w") as file:
        file["internal_grid/real_grid"] = grid()
        file["centered_average/real_density"] = DENSITY.astype(complex)
    for name in ("a.vts", "b.npz", "data.h5", "average_results.h5"):
        found = read_plane_density(tmp_path / name)
        for ours, expected in zip((found.r, found.phi, found.density), (R, PHI, DENSITY), strict=True):
            assert ours == pytest.approx(expected, abs=1e-6)


def test_pixels(tmp_path):
    np.savez(tmp_path / "a.npz", density=DENSITY, pixel=[2.0, 3.0])
    found = read_plane_density(tmp_path / "a.npz")
    assert found.pixel == (2.0, 3.0)
    np.testing.assert_array_equal(found.density, DENSITY)


def test_mistakes(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        read_plane_density(tmp_path / "no.npz")
    (tmp_path / "a.mrc").write_text("x")
    with pytest.raises(InputFileError, match=r"plane is read from \.mrc"):
        read_plane_density(tmp_path / "a.mrc")
    np.savez(tmp_path / "a.npz", density=np.zeros((2, 2, 2)), pixel=1.0)
    with pytest.raises(InputFileError, match="3 axes"):
        read_plane_density(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", density=DENSITY, r=R, phi=PHI[:4])
    with pytest.raises(InputFileError, match="ask for"):
        read_plane_density(tmp_path / "b.npz")


def test_space_and_plane_are_told_apart(tmp_path):
    write_plane_vts(tmp_path / "disc.vts", R, PHI, {"density": DENSITY})
    write_vts(tmp_path / "ball.vts", R, np.array([0.5, 1.0]), PHI, {"density": np.zeros((3, 2, 5))})
    for dimensions, name in ((2, "flat.h5"), (3, "solid.h5")):
        with h5py.File(tmp_path / name, "w") as file:
            file["internal_grid/real_grid"] = np.zeros((2,) * dimensions + (dimensions,))
            file["centered_average/real_density"] = np.zeros((2,) * dimensions, complex)
    for name in ("disc.vts", "flat.h5"):
        with pytest.raises(InputFileError, match="dimensions: 2"):
            read_density(tmp_path / name)
    for name in ("ball.vts", "solid.h5"):
        with pytest.raises(InputFileError, match="dimensions: 3"):
            read_plane_density(tmp_path / name)
