"""Options of reconstruct that concern what it writes beside the densities, and where these stand."""

import pstats

import h5py
import numpy as np
import particle
import pytest

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.stages.fxs import phasing_output


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return particle.make_home(tmp_path_factory.mktemp("home"))


def test_a_profile_of_one_reconstruction(home):
    folder = particle.run(home, profiling={"enable": True, "reconstruction_process_id": 1})
    names = [path.name for path in folder.glob("*.prof")]
    assert names == ["profile_1.prof"]
    called = {function for _, _, function in pstats.Stats(str(folder / names[0])).stats}
    assert {"step", "shrink_wrap"} <= called


def test_invariants_of_the_data_are_stored_where_asked_for(home):
    options = {"save_invariant": True, "plot_first_invariants": False}
    kept = particle.run(home, IO__files__invariants__options=options)
    with h5py.File(kept / "data.h5") as file:
        for l in (0, 2, 5, 6):
            v = file[f"projection_matrices/{l}"][()]
            np.testing.assert_allclose(file["deg_2_invariant"][l], v @ v.T, atol=1e-9 * max(np.abs(v).max() ** 2, 1))
    left = particle.run(home, IO__files__invariants__options={**options, "save_invariant": False})
    with h5py.File(left / "data.h5") as file:
        assert "deg_2_invariant" not in file


def test_orders_of_the_picture_of_the_input(home, monkeypatch):
    seen = {}
    monkeypatch.setattr(phasing_output, "plot_moduli", lambda path, q, matrices, title, **more: seen.update({path.name: (matrices, more)}))
    particle.run(home, IO__files__invariants__options={"plot_first_invariants": True, "plot_range": [3, 5, 99]})
    matrices, more = seen["input_Bl.png"]
    assert more["orders"] == [3, 5]
    expected = particle.invariants().projection_matrices[5]
    np.testing.assert_allclose(matrices[1], expected @ expected.T)
    particle.run(home, IO__files__invariants__options={"plot_first_invariants": True})
    assert len(seen["input_Bl.png"][0]) == particle.USED_ORDER + 1


def test_errors_of_single_orders_are_recorded_and_drawn(home):
    options = {**particle.QUIET, "plot_invariant_error": [2, 6], "plot_error_metrics": True}
    folder = particle.run(home, IO__files__reconstructions__options=options)
    assert (folder / "invariant_error.png").stat().st_size > 1000
    with h5py.File(folder / "data.h5") as file:
        found = file["reconstruction_results/0/error_dict/reciprocal"]
        assert {found[name].shape for name in ("deg2_invariant_l2_diff_order_2", "deg2_invariant_l2_diff_order_6")} == {(particle.STEPS,)}
    with pytest.raises(SettingsError, match=r"plot_invariant_error: \[7\].*used_order_ids"):
        particle.stage(home, IO__files__reconstructions__options__plot_invariant_error=[7])


def test_the_centre_of_mass_comes_to_the_origin(home):
    """Last and best density, their supports and amplitudes move together."""
    changes = {"seed": 5, "multi_process__n_parallel_reconstructions": 1}
    as_found, moved = (
        particle.run(home, output_density_modifiers__shift_to_center=shift, **changes) / "data.h5" for shift in (False, True)
    )
    with h5py.File(as_found) as before, h5py.File(moved) as after:
        grid = before["configuration/internal_grid/real_grid"][()]
        reciprocal = before["configuration/internal_grid/reciprocal_grid"][()]
        weights = AngularGrid(*grid.shape[1:3]).solid_angle[..., None] * grid[..., :1] ** 2
        old, new = (file["reconstruction_results/0"] for file in (before, after))
        unit = np.stack(
            [np.sin(grid[..., 1]) * np.cos(grid[..., 2]), np.sin(grid[..., 1]) * np.sin(grid[..., 2]), np.cos(grid[..., 1])], -1
        )

        def centre(found):
            return np.sum((found[..., None] * weights) * unit * grid[..., :1], axis=(0, 1, 2)) / np.sum(found[..., None] * weights)

        raw = old["last_real_density"][()]
        shift = centre(np.maximum(raw, 0) * old["last_support_mask"][()])
        assert np.linalg.norm(shift) > 1
        # As near as half of the distance between shells.
        assert np.linalg.norm(centre(new["last_real_density"][()])) < 0.5 * (grid[1, 0, 0, 0] - grid[0, 0, 0, 0])
        q = reciprocal[..., :1] * unit
        expected = old["last_reciprocal_density"][()] * np.exp(1j * q @ shift)
        np.testing.assert_allclose(new["last_reciprocal_density"][()], expected, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_array_equal(new["initial_density"][()], old["initial_density"][()])
        assert new["last_support_mask"][()].sum() == pytest.approx(old["last_support_mask"][()].sum(), rel=0.5)
        assert new["error_dict/main"][-1] == old["error_dict/main"][-1]


PICTURES = {
    "plot_error_metrics": (True, {"error_metrics.png"}),
    "plot_first_used_invariants": (True, {"first_Bl.png"}),
    "plot_reconstructed_deg2_invariants": ([1], {"1_out_Bl.png"}),
    "generate_vtk_files": (False, set()),
}


@pytest.mark.parametrize("option", PICTURES)
def test_each_picture_is_drawn_where_asked_for(home, option):
    value, expected = PICTURES[option]
    order = {"plot_reconstructed_deg2_invariants": [1]}
    folder = particle.run(home, IO__files__reconstructions__options={**particle.QUIET, option: order.get(option, value)}, seed=4)
    with h5py.File(folder / "data.h5") as file:
        results = file["reconstruction_results"]
        second = sorted(results, key=lambda key: results[key]["error_dict/main"][-1])[1]
    wanted = {name.replace("1_out", f"{second}_out") for name in expected}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix in (".png", ".vts")} == wanted


def test_names_and_folders_of_the_files(home):
    files = {"reconstructions": {"name": "found.h5", "options": particle.QUIET}}
    folder = particle.run(home, IO__files__reconstructions=files["reconstructions"])
    assert (folder / "found.h5").exists() and not (folder / "data.h5").exists()
