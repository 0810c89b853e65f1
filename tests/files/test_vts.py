"""VTK files: what is read back is what was written, at the points it belongs to."""

import numpy as np
import pytest

from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.vts import read_vts, write_plane_vts, write_vts


@pytest.fixture
def grid():
    r = (np.arange(5) + 0.5) * 2.0
    theta = np.arccos(np.polynomial.legendre.leggauss(8)[0][::-1])
    phi = 2 * np.pi * np.arange(12) / 12
    return r, theta, phi


def cartesian(r, theta, phi):
    r, theta, phi = np.meshgrid(r, theta, phi, indexing="ij")
    return r * np.sin(theta) * np.cos(phi), r * np.sin(theta) * np.sin(phi), r * np.cos(theta)


def test_fields_sit_at_their_cartesian_points(tmp_path, grid):
    x, y, z = cartesian(*grid)
    write_vts(tmp_path / "a.vts", *grid, {"x": x, "y": y, "z": z})
    points, scalars = read_vts(tmp_path / "a.vts")
    assert points.shape == (5, 10, 13, 3)
    for axis, name in enumerate("xyz"):
        np.testing.assert_allclose(scalars[name][:, 1:-1], points[:, 1:-1, :, axis], atol=1e-5)


def test_seam_and_poles_are_closed(tmp_path, grid):
    field = np.random.default_rng(0).random((5, 8, 12))
    write_vts(tmp_path / "a.vts", *grid, {"f": field})
    points, scalars = read_vts(tmp_path / "a.vts")
    f = scalars["f"]
    np.testing.assert_allclose(f[:, 1:-1, :-1], field, rtol=1e-6)
    np.testing.assert_array_equal(f[:, :, 0], f[:, :, -1])
    np.testing.assert_allclose(f[:, 0], np.repeat(field[:, 0].mean(axis=1)[:, None], 13, axis=1), rtol=1e-6)
    np.testing.assert_allclose(f[:, -1], np.repeat(field[:, -1].mean(axis=1)[:, None], 13, axis=1), rtol=1e-6)
    np.testing.assert_allclose(points[:, 0, :, 2], np.repeat(grid[0][:, None], 13, axis=1), rtol=1e-6)
    np.testing.assert_allclose(points[:, :, 0], points[:, :, -1], atol=1e-5)


def test_cells_are_right_handed(tmp_path, grid):
    write_vts(tmp_path / "a.vts", *grid, {})
    points, _ = read_vts(tmp_path / "a.vts")
    steps = [np.diff(points, axis=axis)[:-1, 1:2, :1].mean(axis=(0, 1, 2)) for axis in (0, 1)]
    phi_step = np.diff(points, axis=2)[:-1, 1:2, :1].mean(axis=(0, 1, 2))
    assert np.dot(np.cross(*steps), phi_step) > 0


def test_masks_are_stored_as_numbers(tmp_path, grid):
    mask = np.zeros((5, 8, 12), dtype=bool)
    mask[2] = True
    write_vts(tmp_path / "a.vts", *grid, {"mask": mask})
    _, scalars = read_vts(tmp_path / "a.vts")
    assert scalars["mask"].dtype == np.float32
    assert np.all(scalars["mask"][2] == 1) and np.all(scalars["mask"][1] == 0)


def test_complex_and_misshapen_fields_are_refused(tmp_path, grid):
    with pytest.raises(DataError, match="complex"):
        write_vts(tmp_path / "a.vts", *grid, {"f": np.zeros((5, 8, 12), dtype=complex)})
    with pytest.raises(DataError, match="shape"):
        write_vts(tmp_path / "a.vts", *grid, {"f": np.zeros((5, 12, 8))})
    assert list(tmp_path.iterdir()) == []


def test_reading_what_is_no_grid(tmp_path):
    (tmp_path / "b.vts").write_text("nothing")
    for name in ("b.vts", "absent.vts"):
        with pytest.raises(InputFileError):
            read_vts(tmp_path / name)


def test_a_disc_lies_in_its_plane_and_is_closed(tmp_path, grid):
    r, _, phi = grid
    x, y = r[:, None] * np.cos(phi), r[:, None] * np.sin(phi)
    write_plane_vts(tmp_path / "a.vts", r, phi, {"x": x, "y": y, "mask": x > 0})
    points, scalars = read_vts(tmp_path / "a.vts")
    assert points.shape == (5, 1, 13, 3)
    for axis, name in enumerate("xy"):
        np.testing.assert_allclose(scalars[name], points[..., axis], atol=1e-5)
    assert not points[..., 2].any()
    np.testing.assert_array_equal(scalars["x"][:, :, 0], scalars["x"][:, :, -1])
    np.testing.assert_array_equal(scalars["mask"][:, 0, :-1], x > 0)


def test_a_disc_has_the_points_and_values_of_the_reference(tmp_path, reference_data):
    reference = read_vts(reference_data / "xframe/2d/simulate_ccd/a2_base/model_density.vts")
    values = reference.scalars["model_density_0"].transpose(2, 1, 0)
    write_plane_vts(tmp_path / "a.vts", 5.0 + 10 * np.arange(32), 2 * np.pi * np.arange(31) / 31, {"density": values[:, 0, :-1]})
    points, scalars = read_vts(tmp_path / "a.vts")
    np.testing.assert_allclose(points, reference.points.transpose(2, 1, 0, 3), atol=1e-4)
    np.testing.assert_array_equal(scalars["density"], values)


def test_fields_of_another_disc_are_refused(tmp_path, grid):
    r, _, phi = grid
    with pytest.raises(DataError, match=r"\(N, n_phi\) = \(5, 12\)"):
        write_plane_vts(tmp_path / "a.vts", r, phi, {"f": np.zeros((12, 5))})
    with pytest.raises(DataError, match="complex"):
        write_plane_vts(tmp_path / "a.vts", r, phi, {"f": np.zeros((5, 12), dtype=complex)})
