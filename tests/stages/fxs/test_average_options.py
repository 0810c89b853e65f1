"""Options of average in three dimensions, each by what it changes in the result."""

import h5py
import numpy as np
import pytest
import yaml
from made_up_runs import FOLDER, context, options, run, write_data
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLRectilinearGridReader

from fxs_hpc.config.settings import build
from fxs_hpc.errors import FxsError, InputFileError
from fxs_hpc.files.vts import read_vts
from fxs_hpc.stages.fxs import average
from fxs_hpc.stages.fxs.workspace import Workspace, date_of, now

QUIET = options(plot_resolution_metrics=False, generate_average_vtk=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_data(folder / FOLDER / "data.h5", seeds=(4, 5, 6), errors=(3e-4, 1e-4, 2e-4))
    return folder


def results(home, **changes):
    folder, said = run(home, **{"model": False, "IO": QUIET, **changes})
    return folder, said


def read(folder, *names):
    with h5py.File(folder / "average_results.h5") as file:
        return [file[name][()] for name in names]


def test_rotation_metric_opens_in_vtk_and_peaks_at_the_identity(home):
    folder, _ = results(home, IO=options(generate_rotation_metric_vtk=True, plot_resolution_metrics=False))
    metric, grid = read(folder, "rotation_metric/1/0", "so3_grid")
    reader = vtkXMLRectilinearGridReader()
    reader.SetFileName(str(folder / "vtk/rotation_metric_1_0.vtr"))
    reader.Update()
    picture = reader.GetOutput()
    values = vtk_to_numpy(picture.GetPointData().GetArray("overlap")).reshape(grid.shape[:3], order="F")
    np.testing.assert_allclose(values, metric.reshape(grid.shape[:3]), rtol=1e-5, atol=1e-5 * metric.max())
    for axis, coordinates in enumerate((picture.GetXCoordinates(), picture.GetYCoordinates(), picture.GetZCoordinates())):
        along = np.moveaxis(grid[..., axis], axis, 0)[:, 0, 0]
        np.testing.assert_allclose(vtk_to_numpy(coordinates), along)
    # The input is aligned already, so no further rotation does better than none: beta next to 0, alpha + gamma = 0.
    alpha, beta, gamma = grid.reshape(-1, 3)[metric.argmax()]
    assert beta == grid[0, 0, 0, 1] and np.cos(alpha + gamma) > 0.97


def test_density_range_selects(home):
    with h5py.File(home / FOLDER / "data.h5") as file:
        largest = sorted(float(file[f"reconstruction_results/{key}/last_real_density"][()].max()) for key in "012")
    limit = (largest[1] + largest[2]) / 2
    folder, said = results(home, selection={"max_density_range": [0, limit]})
    assert "max_density_range" in said and read(folder, "input_meta/scaling_factors")[0].shape == (2,)
    everything, _ = results(home, selection={"max_density_range": [None, None], "n_reconstructions": "all"})
    assert read(everything, "input_meta/scaling_factors")[0].shape == (3,)


def test_alignment_error_limit_rejects(home):
    folder, said = results(home, alignment_error_limit=1e-9)
    assert "1 of 3 accepted" in said and "the reference alone" in said
    accepted, errors = read(folder, "alignment/accepted", "alignment/errors")
    assert accepted.tolist() == [0] and len(errors) == 3


@pytest.mark.parametrize("mode", ["max", "mean"])
def test_normalisation(home, mode):
    folder, _ = results(home, normalize_reconstructions={"mode": mode})
    density, factors = read(folder, "aligned/0/real_density", "input_meta/scaling_factors")
    positive = density[density > 0]
    np.testing.assert_allclose(positive.max() if mode == "max" else positive.mean(), 1, rtol=1e-9)
    assert np.ptp(factors) > 0


def test_no_normalisation_and_no_centring_leave_the_densities_as_they_are(home):
    folder, _ = results(home, normalize_reconstructions={"use": False}, center_reconstructions=False)
    aligned, stored, factors, centres = read(
        folder, "aligned/0/real_density", "input/0/real_density", "input_meta/scaling_factors", "alignment/centres"
    )
    np.testing.assert_allclose(aligned, stored, atol=1e-9 * stored.max())
    np.testing.assert_array_equal(factors, 1)
    np.testing.assert_array_equal(centres, 0)


def test_minimum_of_the_normalised_average(home):
    folder, _ = results(home, average_normalization_min=0.25)
    for group in ("average", "centered_average"):
        density, scaled = read(folder, f"{group}/real_density", f"{group}/normalized_real_density")
        np.testing.assert_allclose(scaled, (density - 0.25) / (density.max() - 0.25), atol=1e-12)


def test_masks_keep_dirt_outside_the_support_from_deciding(tmp_path):
    write_data(tmp_path / FOLDER / "data.h5", seeds=(4, 8), errors=(1e-4, 2e-4))
    with h5py.File(tmp_path / FOLDER / "data.h5", "r+") as file:
        for key, seed in (("0", 1), ("1", 2)):
            density = file[f"reconstruction_results/{key}/last_real_density"]
            values = density[()]
            outside = ~file[f"reconstruction_results/{key}/support_mask"][()]
            values[outside] += 25 * np.random.default_rng(seed).random(values.shape)[outside]
            density[...] = values
    shells = {"r_limit_ids": list(range(28))}
    changes = {"center_reconstructions": False, "alignment_error_limit": 100, "find_rotation": shells}
    found = {}
    for name, mask in (("masked", {"use_masks": True}), ("low", {"use_masks": True, "shifted_mask_threshold": 0.1}), ("whole", {})):
        folder, _ = results(tmp_path, multi_process={"use": True, "n_processes": 2}, **changes, **mask)
        aligned = read(folder, "aligned/0/real_density", "aligned/1/real_density")
        inner = [a[:12].ravel() for a in aligned]
        found[name] = np.corrcoef(*inner)[0, 1], read(folder, "rotation_angles/1/0")[0]
    # Moved back by up to 3 A, the dirt of one comes into the other: not complete agreement, but far more than without.
    assert found["masked"][0] > max(0.9, found["whole"][0] + 0.1)
    assert np.abs(found["low"][1] - found["masked"][1]).max() > 1e-9


def test_number_of_processes_does_not_change_the_result(home):
    one, two = (results(home, multi_process={"n_processes": n})[0] for n in (1, 2))
    for name in ("average/real_density", "alignment/errors", "resolution_metrics/PRTF"):
        np.testing.assert_array_equal(*(read(folder, name)[0] for folder in (one, two)))


def test_nothing_is_written_that_is_not_asked_for(home):
    nothing = options(generate_average_vtk=False, save_settings=False, plot_resolution_metrics=False)
    folder, _ = results(home, IO=nothing, resolution_metrics={"PRTF": False})
    assert [path.name for path in folder.iterdir()] == ["average_results.h5"]
    assert sorted(read(folder, "resolution_metrics/FSC")[0].shape + (0,)) == [0, 28]


def test_vtk_of_inputs_and_aligned_hold_the_fields(home):
    folder, _ = results(home, IO=options(generate_aligned_vtk=True, generate_input_vtk=True, plot_resolution_metrics=False))
    for name, field in (("aligned_1", "aligned/1/real_density"), ("input_2", "input/2/real_density"), ("average", "average/real_density")):
        drawn = read_vts(folder / f"vtk/real_{name}.vts").scalars["density"][:, 1:-1, :-1]
        stored = read(folder, field)[0]
        np.testing.assert_allclose(drawn, stored[: len(drawn)], rtol=1e-6, atol=1e-6 * np.abs(stored).max())


def test_names_and_folders_of_the_files(home):
    tree = {
        "files": {
            "average_results": {"name": "mean.h5", "options": {"generate_aligned_vtk": True, "plot_resolution_metrics": False}},
            "real_vtk": {"name": "density_{reconstruction}.vts"},
        },
        "folders": {"vtk_results": {"averaged_results": "pictures/"}},
    }
    folder, _ = results(home, IO=tree)
    assert (folder / "mean.h5").exists() and (folder / "pictures/density_aligned_0.vts").exists()


def test_names_of_the_inputs(home):
    tree = {
        "files": {"reconstructions": {"name": "{path}/data.h5", "folder": "inputs"}, **QUIET["files"]},
        "folders": {"inputs": {"reconstructions": "3d_case/"}},
    }
    folder, _ = results(home, IO=tree, reconstruction_files=["1_1_2030/run_0"])
    assert read(folder, "input_meta/scaling_factors")[0].shape == (3,)


@pytest.mark.parametrize(
    "tree", [{"reconstruction_settings": {"name": "other.yaml"}}, {"reconstructions": {"options": {"generate_vtk_files": False}}}]
)
def test_what_has_no_effect_is_refused(home, tree):
    with pytest.raises(FxsError, match="settings"):
        results(home, IO={"files": tree})


def test_todays_file(home):
    settings, _ = build("average", {"structure_name": "case", "reconstruction_files": ["3d_case/{today}/run_0/data.h5"]})
    workspace = Workspace.of(home, settings, "1_1_2030")
    assert workspace.paths("reconstructions", settings.reconstruction_files) == (home / FOLDER / "data.h5",)
    with pytest.raises(InputFileError, match=date_of(now())):
        average.run(settings, context(home, settings, []))


def test_another_spelling_of_the_limit():
    given = {"structure_name": "case", "reconstruction_files": ["a"]}
    assert build("average", {**given, "l2_error_limit": 0.3})[0].alignment_error_limit == 0.3
    assert build("average", {**given, "l2_error_limit": 0.05, "alignment_error_limit": 0.5})[0].alignment_error_limit == 0.5
    with pytest.raises(FxsError, match="another spelling"):
        build("average", {**given, "l2_error_limit": 0.3, "alignment_error_limit": 0.4})


def test_load_routine_has_one_value():
    given = {"structure_name": "case", "reconstruction_files": "a"}
    assert build("average", {**given, "load_routine": "load_reconstructions"})[0].reconstruction_files == ("a",)
    with pytest.raises(FxsError, match="load_reconstructions"):
        build("average", {**given, "load_routine": "other"})


def test_stored_settings_run_again(home):
    folder, _ = results(home)
    tree = yaml.safe_load((folder / "settings.yaml").read_text())
    tree.pop("provenance")
    again, _ = build("average", tree)
    assert again.selection.error_limit == 0.001 and again.find_rotation.r_limit_ids == tuple(range(2, 14))
