"""average, from data.h5 files made up from a known object to everything it writes."""

import os

import h5py
import numpy as np
import pytest
from made_up_runs import FOLDER, SHAPE, context, options, run, write_data, write_model

from fxs_hpc.config.settings import build
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.vts import read_vts
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid
from fxs_hpc.stages.fxs import average
from fxs_hpc.stages.fxs.average_inputs import working_order

GRID_GROUPS = ("internal_grid", "input_meta/grids")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_data(folder / FOLDER / "data.h5", seeds=(4, 5, 6, 7), errors=(3e-4, 1e-4, 2e-4, 5e-3))
    write_model(folder)
    return folder


@pytest.fixture(scope="module")
def result(home):
    changes = {
        "model": "model.npz",
        "IO": options(generate_aligned_vtk=True, generate_input_vtk=True, generate_rotation_metric_vtk=True),
        "resolution_metrics": {"pseudo_FSC": True, "FQCB": True},
        "selection": {"error_limit": 0.01},
    }
    return run(home, **changes)


def test_every_documented_field_is_there_with_its_shape(result):
    shapes_of = {}
    with h5py.File(result[0] / "average_results.h5") as file:
        file.visititems(lambda name, item: shapes_of.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None)
        # A field with two names is visited once.
        names = [f"{group}/{name}_grid" for group in GRID_GROUPS for name in ("real", "reciprocal")]
        shapes_of |= {name: file[name].shape for name in names}
        assert file["average_ids"].attrs["type"] == "list"
        assert file["input_meta/projection_matrices/0/3"][0, 0] == 3
    for group in ("average", "centered_average"):
        for name in ("real_density", "reciprocal_density", "normalized_real_density"):
            assert shapes_of[f"{group}/{name}"] == SHAPE
    for name in ("intensity_from_densities", "intensity_from_ft_densities"):
        assert shapes_of[f"average/{name}"] == SHAPE
    for i in range(4):
        for name in ("real_density", "reciprocal_density"):
            assert shapes_of[f"aligned/{i}/{name}"] == shapes_of[f"input/{i}/{name}"] == SHAPE
        assert shapes_of[f"input/{i}/support_mask"] == SHAPE
        assert shapes_of[f"average_ids/{i}"] == ()
        assert {f"input_meta/reconstruction_keys/{i}/0", f"input_meta/reconstruction_keys/{i}/1"} <= set(shapes_of)
    for name in GRID_GROUPS:
        assert shapes_of[f"{name}/real_grid"] == shapes_of[f"{name}/reciprocal_grid"] == (*SHAPE, 3)
    for name in ("PRTF", "PRTF_from_density", "PRTF_from_ft_density", "PRTF_ftI"):
        assert shapes_of[f"resolution_metrics/{name}"] == shapes_of[f"resolution_metrics/{name}_std"] == SHAPE[:1]
    bandwidth = 2 * (13 + 1)  # working order of the grid
    assert shapes_of["so3_grid"] == (bandwidth, bandwidth, bandwidth, 3)
    assert shapes_of["rotation_metric/1/0"] == (bandwidth**3,)
    assert shapes_of["rotation_angles/1/0"] == (3,)
    assert shapes_of["reciprocity_coefficient"] == () and shapes_of["input_meta/scaling_factors"] == (4,)


def test_average_is_over_all_inputs_and_finds_the_object(result):
    with h5py.File(result[0] / "average_results.h5") as file:
        aligned = [file[f"aligned/{i}/real_density"][()] for i in range(4)]
        np.testing.assert_allclose(file["average/real_density"][()], np.mean(aligned, axis=0), atol=1e-10)
        assert max(file["alignment/errors"][()]) < 3e-3
        assert file["alignment/inverted"][()].sum() in (1, 2, 3)
        assert np.min(np.abs(file["resolution_metrics/PRTF"][:20])) > 0.99
        assert file["resolution_metrics/FQCB"][:16].min() > 0.99
        assert file["resolution_metrics/FSC"][:20].min() > 0.99 and file["resolution_metrics/pseudo_FSC"][:20].min() > 0.99
        assert file["comparison/band_limited"][()] > 0.99
        assert abs(file["comparison/scale"][()] - 1) < 0.03
        assert file["comparison/runs/raw"].shape == (4,)
        np.testing.assert_allclose(file["centered_average/normalized_real_density"][()].max(), 1)


def test_inputs_are_the_inputs_in_the_order_of_their_errors(result, home):
    with h5py.File(result[0] / "average_results.h5") as file, h5py.File(home / FOLDER / "data.h5") as data:
        keys = [file[f"input_meta/reconstruction_keys/{i}/1"][()].decode() for i in range(4)]
        assert keys == ["1", "2", "0", "3"]
        for i, key in enumerate(keys):
            stored = data[f"reconstruction_results/{key}"]
            np.testing.assert_array_equal(file[f"input/{i}/real_density"][()], stored["last_real_density"][()])
            np.testing.assert_array_equal(file[f"input/{i}/support_mask"][()], stored["support_mask"][()])
        assert file["average_ids/0"][()] == file["alignment/reference"][()] == 0


def test_pictures_vtk_and_settings_are_written(result, home):
    folder, said = result
    pictures = ("PRTF.png", "FSC.png", "FQCB.png", "comparison.png", "sections.png")
    for name in (*pictures, "settings.yaml", "vtk/real_aligned_3.vts", "vtk/real_input_2.vts", "vtk/rotation_metric_1_0.vtr"):
        assert (folder / name).stat().st_size > 1000, name
    scalars = read_vts(folder / "vtk/real_average.vts").scalars
    assert set(scalars) == {"density", "normalized_density", "model", "model_band_limited", "difference"}
    assert set(read_vts(folder / "vtk/reciprocal_average.vts").scalars) == {"amplitude", "intensity"}
    assert "against the true object" in said
    tree = build("average", {k: v for k, v in _yaml(folder / "settings.yaml").items() if k != "provenance"})[0]
    assert tree.structure_name == "case" and len(_yaml(folder / "settings.yaml")["provenance"]["inputs"]) == 1


def _yaml(path):
    import yaml

    return yaml.safe_load(path.read_text())


def test_a_second_run_gets_its_own_folder(result, home):
    again, said = run(home, model=False, multi_process={"use": False}, max_iterations=2, use_masks=True)
    assert again.name == f"run_{int(result[0].name[4:]) + 1}"
    assert "true object" not in said and not (again / "comparison.png").exists()
    with h5py.File(again / "average_results.h5") as file:
        assert "comparison" not in file and "rotation_metric" not in file
        assert len(file["rotation_angles/1"]) == 2


def test_selection_leaves_out_what_the_settings_say(home):
    folder, said = run(home, model=False, selection={"error_limit": 1e-3, "n_reconstructions": 2})
    assert "error 0.005 is not below selection.error_limit" in said and "n_reconstructions" in said
    with h5py.File(folder / "average_results.h5") as file:
        assert len(file["input"]) == len(file["aligned"]) == 2


def test_manual_reference_and_other_error(home):
    selection = {"method": "manual", "manual_specifier": [0, 2], "error_metric": "real.l2_projection_diff", "error_limit": 1.0}
    folder, _ = run(home, model=False, selection=selection)
    with h5py.File(folder / "average_results.h5") as file:
        assert file["input_meta/reconstruction_keys/1/1"][()] == b"2" and file["alignment/reference"][()] == 1


def test_unknown_error_names_the_known_ones(home):
    with pytest.raises(InputFileError, match=r"main, real\.l2_projection_diff"):
        run(home, model=False, selection={"error_metric": "nonsense"})


def test_fewer_than_two_are_refused_with_a_remedy(home):
    with pytest.raises(DataError, match="at least two.*error_limit"):
        run(home, model=False, selection={"error_limit": 1.5e-4})


def test_several_files_and_single_precision(tmp_path):
    write_data(tmp_path / FOLDER / "data.h5", (1, 2), (1e-4, 2e-4), np.float32)
    second = FOLDER.replace("run_0", "run_1")
    write_data(tmp_path / second / "data.h5", (3,), (3e-5,), np.float32, complex_density=True)
    files = ["3d_case/1_1_2030/run_0/data.h5", "3d_case/1_1_2030/run_1/data.h5"]
    changes = {"center_reconstructions": False, "pointinvert_reference": True, "max_iterations": 4}
    folder, _ = run(tmp_path, "single", reconstruction_files=files, **changes)
    with h5py.File(folder / "average_results.h5") as file:
        assert file["aligned/0/real_density"].dtype == np.float32 and file["aligned/0/reciprocal_density"].dtype == np.complex64
        assert [file[f"input_meta/reconstruction_keys/{i}/0"][()] for i in range(3)] == [1, 0, 0]
        assert file["alignment/inverted"][0]
        assert len(file["input_meta/projection_matrices"]) == 2
        assert file["input_meta/average_scaling_factors_per_file"].shape == (2,)
        # Off the centre, this small object needs more orders than the grid has.
        assert max(file["alignment/errors"][()]) < 0.1


def test_a_newer_run_is_pointed_out(tmp_path):
    write_data(tmp_path / FOLDER / "data.h5", (1, 2), (1e-4, 2e-4))
    newer = tmp_path / "data/fxs/reconstructions/3d_case/2_1_2030/run_0/data.h5"
    newer.parent.mkdir(parents=True)
    newer.write_bytes((tmp_path / FOLDER / "data.h5").read_bytes())
    stat = (tmp_path / FOLDER / "data.h5").stat()
    os.utime(newer, (stat.st_atime, stat.st_mtime + 100))
    assert "2_1_2030/run_0/data.h5 is newer" in run(tmp_path)[1]
    assert "is newer" not in run(tmp_path, reconstruction_files=["3d_case/{latest}/data.h5"])[1]


def test_files_on_different_grids_are_refused(tmp_path):
    write_data(tmp_path / FOLDER / "data.h5", (1, 2), (1e-4, 2e-4))
    other = tmp_path / FOLDER.replace("run_0", "run_1") / "data.h5"
    write_data(other, (3,), (3e-5,))
    with h5py.File(other, "r+") as file:
        file["configuration/internal_grid/reciprocal_grid"][..., 0] *= 1.1
    with pytest.raises(InputFileError, match="another grid"):
        run(tmp_path, reconstruction_files=["3d_case/1_1_2030/run_0/data.h5", "3d_case/1_1_2030/run_1/data.h5"])


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / FOLDER / "data.h5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["something"] = 1
    with pytest.raises(InputFileError, match="no file of reconstructions"):
        run(tmp_path)


def test_nan_in_a_density_is_named(tmp_path):
    write_data(tmp_path / FOLDER / "data.h5", (1, 2), (1e-4, 2e-4))
    with h5py.File(tmp_path / FOLDER / "data.h5", "r+") as file:
        file["reconstruction_results/1/last_real_density"][0, 0, 0] = np.nan
    with pytest.raises(InputFileError, match="1/last_real_density.*NaN"):
        run(tmp_path)


def test_plan_before_and_after_the_inputs_exist(home, tmp_path):
    settings, _ = build("average", {"structure_name": "case", "reconstruction_files": ["3d_case/1_1_2030/run_0/data.h5"]})
    known = average.plan(settings, context(home, settings, []))
    assert known.memory > 0 and known.disk > 4 * 2 * np.prod(SHAPE) * 8
    unknown = average.plan(settings, context(tmp_path, settings, []))
    assert unknown.memory == 0 and "cannot be told" in unknown.lines[0]


def test_working_order_on_fine_and_on_coarse_grids():
    class Source:
        def __init__(self, angular, used):
            self.angular, self.used_order = angular, used

    assert working_order(Source(AngularGrid(108, 216), 63)) == 76
    assert working_order(Source(AngularGrid(72, 140), 64)) == 69
    assert working_order(Source(AngularGrid(32, 20), 9)) == 9
    assert working_order(Source(CircleGrid.alias_free(76, 63), 63)) >= 76
    assert working_order(Source(CircleGrid(31), 14)) == 15


def test_parallel_map_keeps_the_order():
    with average.parallel(3) as apply:
        assert list(apply(lambda x: x * x, range(20))) == [x * x for x in range(20)]
    with average.parallel(1) as apply:
        assert list(apply(lambda x: x + 1, [1, 2])) == [2, 3]
