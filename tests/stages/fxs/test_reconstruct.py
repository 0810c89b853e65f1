"""What reconstruct writes: every field and file of the documented layout, checked against formulas that share nothing with the loop."""

import h5py
import numpy as np
import particle
import pytest
import scipy.special
import yaml

from fxs_hpc.errors import SettingsError
from fxs_hpc.files.reconstructions import open_source
from fxs_hpc.files.vts import read_vts
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.stages.fxs import reconstruct

GRID = (16, 16, 32)
KEYS = ("real_density", "last_real_density", "initial_density", "reciprocal_density", "last_reciprocal_density")
MASKS = ("support_mask", "last_support_mask", "initial_support")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return particle.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def folder(home):
    """A run with all pictures; 3 reconstructions, intensities made of the data's orders alone."""
    errors = {"real": {"calculate": ["l2_projection_diff", "support_size"]}, "reciprocal": {"calculate": ["deg2_invariant_l2_diff"]}}
    return particle.run(
        home,
        IO={},
        multi_process__n_parallel_reconstructions=3,
        grid={"n_radial_points": 16, "max_order": 6, "amplitude_order": 6, "n_theta": 16, "n_phi": 32},
        projections__reciprocal__keep_unknown_orders=False,
        projections__reciprocal__number_of_particles__initial=4.0,
        main_loop__error={"methods": errors},
    )


@pytest.fixture(scope="module")
def file(folder):
    with h5py.File(folder / "data.h5") as opened:
        yield opened


@pytest.fixture(scope="module")
def nodes(file):
    """r, q, theta, phi."""
    real, reciprocal = (file[f"configuration/internal_grid/{name}_grid"][()] for name in ("real", "reciprocal"))
    return real[:, 0, 0, 0], reciprocal[:, 0, 0, 0], real[0, :, 0, 1], real[0, 0, :, 2]


def harmonics(l: int, theta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """(2l+1, n_theta, n_phi), m = -l..l."""
    return scipy.special.sph_harm_y(l, np.arange(-l, l + 1)[:, None, None], theta[:, None], phi)


def fourier(density: np.ndarray, nodes, order: int) -> np.ndarray:
    """Transform of the density by explicit sums over harmonics and midpoint shells."""
    r, q, theta, phi = nodes
    weights = AngularGrid(len(theta), len(phi)).solid_angle
    result = np.zeros(density.shape, complex)
    for l in range(order + 1):
        y = harmonics(l, theta, phi)
        coefficients = np.einsum("rtp,mtp,tp->rm", density, y.conj(), weights)
        bessel = scipy.special.spherical_jn(l, np.outer(q, r)) * r**2 * (r[1] - r[0])
        result += np.einsum("qm,mtp->qtp", (-1j) ** l * np.sqrt(2 / np.pi) * bessel @ coefficients, y)
    return result


def band_limited(field: np.ndarray, nodes, order: int) -> np.ndarray:
    """The orders 0..`order` of a field."""
    _, _, theta, phi = nodes
    y = np.concatenate([harmonics(l, theta, phi) for l in range(order + 1)])
    coefficients = np.einsum("rtp,mtp,tp->rm", field, y.conj(), AngularGrid(len(theta), len(phi)).solid_angle)
    return np.einsum("rm,mtp->rtp", coefficients, y)


def stored_intensity(file, key: str, nodes) -> np.ndarray:
    """sum_lm (V_l U_l)_m Y_lm with the order 0 as stored."""
    _, _, theta, phi = nodes
    result = np.zeros(GRID, complex)
    for l in range(particle.USED_ORDER + 1):
        v, u = (file[f"{name}/{l}"][()] for name in ("projection_matrices", f"reconstruction_results/{key}/fxs_unknowns"))
        result += np.einsum("qm,mtp->qtp", v @ u, harmonics(l, theta, phi))
    assert np.abs(result.imag).max() < 1e-6 * np.abs(result).max()
    return result.real


def test_result_folder(folder, home):
    assert folder == home / "data/fxs/reconstructions/3d_blobs/1_2_2030/run_0"
    with h5py.File(folder / "data.h5") as file:
        ranked = sorted(file["reconstruction_results"], key=lambda key: file[f"reconstruction_results/{key}/error_dict/main"][-1])
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    expected = {"data.h5", "settings.yaml", "error_metrics.png", "first_Bl.png", "input_Bl.png", *(f"{key}_out_Bl.png" for key in ranked)}
    suffixes = [ranked[0], ranked[1], f"{ranked[2]}_worst_error"]
    expected |= {f"vtk/{kind}_{suffix}.vts" for kind in ("real", "reciprocal") for suffix in suffixes}
    assert expected <= names
    assert all(name.startswith("density_") or name == ".lock" for name in names - expected)


def test_settings_are_stored_with_their_source(folder, home):
    tree = yaml.safe_load((folder / "settings.yaml").read_text())
    assert tree["provenance"]["seed"] == 0 and tree["provenance"]["precision"] == "double"
    assert [len(value) for value in tree["provenance"]["inputs"].values()] == [64]
    (home / "again.yaml").write_text((folder / "settings.yaml").read_text())
    assert reconstruct.plan(*particle.stage(home)).lines


def test_configuration(file, nodes):
    r, q, theta, phi = nodes
    for name, radii in (("real_grid", r), ("reciprocal_grid", q)):
        grid = file[f"configuration/internal_grid/{name}"]
        assert grid.shape == (*GRID, 3) and grid.dtype == "f8"
        assert grid.attrs["type"] == "NestedArray" and "n_ndim" in grid.attrs
        np.testing.assert_array_equal(grid[:, 3, 5], np.stack([radii, np.full(16, theta[3]), np.full(16, phi[5])], axis=-1))
    np.testing.assert_allclose(q, particle.Q_MAX * (np.arange(16) + 0.5) / 16)
    np.testing.assert_allclose(r, 2.0 * 16 / particle.Q_MAX * (np.arange(16) + 0.5) / 16)
    assert file["configuration/reciprocity_coefficient"][()] == 2.0
    assert file["configuration/xray_wavelength"][()] == particle.WAVELENGTH
    assert file["stats/run_time"][()] > 0


def test_projection_matrices_are_the_data_on_the_new_grid(file, nodes):
    matrices = file["projection_matrices"]
    assert matrices.attrs["type"] == "list" and set(matrices) == {str(l) for l in range(7)}
    for l, rows in enumerate(particle.intensity_rows(nodes[1])):
        v = matrices[str(l)][()]
        assert v.shape == (16, 2 * l + 1)
        if l == 0:
            np.testing.assert_allclose(v, rows / 2, rtol=1e-3)  # four particles: half of the order 0
        elif l % 2:
            assert not v.any()
        else:
            np.testing.assert_allclose(v @ v.T, rows @ rows.T, atol=1e-3 * np.abs(rows @ rows.T).max())


def test_fields_of_a_reconstruction(file):
    for key in ("0", "1", "2"):
        found = file[f"reconstruction_results/{key}"]
        for name in KEYS:
            assert found[name].shape == GRID and found[name].dtype.kind in ("c" if "reciprocal" in name else "fc"), name
        for name in MASKS:
            assert found[name].shape == GRID and found[name].dtype == bool
        errors = found["error_dict"]
        for name in ("main", "real/l2_projection_diff", "real/support_size", "reciprocal/deg2_invariant_l2_diff"):
            assert errors[name].shape == (particle.STEPS,) and errors[name].dtype == "f8"
        np.testing.assert_array_equal(errors["main"], errors["real/l2_projection_diff"])
        assert found["final_error"].shape == () and found["final_error"][()] == errors["main"][()].min()
        assert found["loop_iterations"][()] == 3 and found["loop_iterations"].dtype.kind == "i"
        np.testing.assert_array_equal(found["n_particles"], np.full((particle.STEPS, 1), 4))
        assert found["n_particles_fraction"].shape == found["n_particles_gradients"].shape == (0,)
        assert found["last_deg2_invariant"].shape == (7, 16, 16)
        assert {int(l): matrix.shape for l, matrix in found["fxs_unknowns"].items()} == {l: (2 * l + 1,) * 2 for l in range(7)}


def test_errors_have_an_empty_group_where_nothing_is_calculated(home):
    with h5py.File(particle.run(home) / "data.h5") as file:
        assert list(file["reconstruction_results/0/error_dict/reciprocal"]) == []
        assert file["reconstruction_results/0/last_deg2_invariant"].shape[0] == 7


def test_orders_up_to_an_odd_one_are_all_there(home):
    """A real density needs even orders alone; the file names all that were asked for."""
    with h5py.File(particle.run(home, projections__reciprocal__used_order_ids=[0, 1, 2, 3, 4, 5]) / "data.h5") as file:
        found = file["reconstruction_results/0"]
        assert set(file["projection_matrices"]) == set(found["fxs_unknowns"]) == set("012345")
        assert found["last_deg2_invariant"].shape == (6, 16, 16)


def test_unknowns_are_unitary(file):
    for l in range(7):
        for key in ("0", "1", "2"):
            u = file[f"reconstruction_results/{key}/fxs_unknowns/{l}"][()]
            np.testing.assert_allclose(u @ u.conj().T, np.eye(2 * l + 1), atol=1e-10)


@pytest.mark.parametrize("key", "012")
def test_amplitude_is_the_transform_with_the_modulus_of_the_data(file, nodes, key):
    """A' = A sqrt(I' / |A|^2) as far as the band limit carries it; A the transform of the best density, I' = sum V U Y."""
    found = file[f"reconstruction_results/{key}"]
    amplitude = fourier(found["real_density"][()], nodes, 6)
    goal = np.maximum(stored_intensity(file, key, nodes), 0)
    expected = band_limited(amplitude * np.sqrt(goal / np.abs(amplitude) ** 2), nodes, 6)
    np.testing.assert_allclose(found["reciprocal_density"][()], expected, atol=1e-6 * np.abs(expected).max())


def test_invariants_of_the_last_density(file, nodes):
    found = file["reconstruction_results/2"]
    _, _, theta, phi = nodes
    intensity = np.abs(fourier(found["last_real_density"][()], nodes, 6)) ** 2
    weights = AngularGrid(16, 32).solid_angle
    for l in (0, 2, 4, 6):
        coefficients = np.einsum("rtp,mtp,tp->rm", intensity, harmonics(l, theta, phi).conj(), weights)
        expected = (coefficients @ coefficients.conj().T).real
        np.testing.assert_allclose(found["last_deg2_invariant"][l], expected, atol=1e-6 * np.abs(expected).max())


def test_densities_obey_their_constraints(file, nodes):
    """The last step is ER; the best may come from HIO, which leaves feedback outside of the support."""
    found = file["reconstruction_results/0"]
    density, support = found["last_real_density"][()], found["last_support_mask"][()]
    assert density.min() >= 0 and not density[~support].any()
    np.testing.assert_array_equal(found["initial_support"][()], np.broadcast_to(nodes[0][:, None, None] < 60, GRID))


def test_the_best_step_gave_the_best_density(file):
    found = file["reconstruction_results/0"]
    errors = found["error_dict/main"][()]
    last_is_best = errors.argmin() == len(errors) - 1
    assert last_is_best == np.array_equal(found["real_density"][()], found["last_real_density"][()])


def test_average_reads_it(folder):
    source = open_source(folder / "data.h5")
    assert source.keys == ("0", "1", "2") and source.used_order == 6 and source.wavelength == particle.WAVELENGTH
    assert (source.radial.n_points, source.angular) == (16, AngularGrid(16, 32))
    with h5py.File(folder / "data.h5") as file:
        density = file["reconstruction_results/2/last_real_density"][()]
        errors = {key: file[f"reconstruction_results/{key}/error_dict/main"][-1] for key in source.keys}
    np.testing.assert_array_equal(np.moveaxis(source.load("2").density, -1, 0), density)
    assert source.last_errors("main") == errors


def test_vtk_of_the_best_holds_its_densities(folder):
    with h5py.File(folder / "data.h5") as file:
        results = file["reconstruction_results"]
        best = min(results, key=lambda key: results[key]["error_dict/main"][-1])
        density = results[best]["real_density"][()]
    fields = read_vts(folder / f"vtk/real_{best}.vts")
    scalars = fields.scalars if hasattr(fields, "scalars") else fields[-1]
    names = {"best_density", "best_support", "last_density", "last_support", "initial_density", "initial_support"}
    assert names <= set(scalars)
    assert np.isclose(np.nanmax(scalars["best_density"]), density.max(), rtol=1e-5)


def test_names_of_vtk_files_follow_the_settings(home):
    options = {**particle.QUIET, "generate_vtk_files": [0]}
    files = {"real_vtk": {"name": "rho_{reconstruction}.vts"}, "reconstructions": {"options": options}}
    storage = {"folders": {"vtk_files": {"results": "paraview/"}}, "files": files}
    folder = particle.run(home, IO=storage, multi_process__n_parallel_reconstructions=1)
    assert sorted(path.name for path in (folder / "paraview").iterdir()) == ["reciprocal_0.vts", "rho_0.vts"]


def test_plan_is_near_the_truth(folder, home):
    """Disk as planned within a factor 1.5 on a grid where bookkeeping does not dominate."""
    changes = {"grid__n_radial_points": 96, "multi_process__n_parallel_reconstructions": 1}
    plan = reconstruct.plan(*particle.stage(home, **changes))
    found = particle.run(home, **changes)
    size = sum(path.stat().st_size for path in found.iterdir())
    assert size / 1.5 < plan.disk < 1.5 * size


def test_dry_run_refuses_what_the_run_would(home):
    with pytest.raises(SettingsError, match=r"particle_radius: 400.*raise grid\.n_radial_points"):
        reconstruct.plan(*particle.stage(home, particle_radius=400))
