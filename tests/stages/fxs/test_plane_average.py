"""average in the plane: made-up reconstructions of known figures, and the reference program's own files, through the stage."""

import h5py
import numpy as np
import pytest
import yaml
from made_up_runs import FIGURES, FLAT_FOLDER, FLAT_SHAPE, FOLDER, SHAPE, ball, context, disc, options, run, run_flat, write_data

from fxs_hpc.config.settings import build
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.reconstructions import open_source
from fxs_hpc.files.vts import read_vts
from fxs_hpc.fluctuation import plane_shapes
from fxs_hpc.fluctuation.alignment import prepare, relative_error
from fxs_hpc.fluctuation.plane_alignment import DiscFields
from fxs_hpc.harmonics.grids import CircleGrid
from fxs_hpc.stages.fxs import average

SEEDS, ERRORS = (4, 5, 6, 7), (3e-4, 1e-4, 2e-4, 5e-3)
METRICS = {"PRTF": True, "FQCB": True, "pseudo_FSC": True}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_data(folder / FLAT_FOLDER / "data.h5", SEEDS, ERRORS, space=disc())
    r, phi = np.linspace(0.2, 60, 300), 2 * np.pi * np.arange(240) / 240
    np.savez(folder / "model.npz", density=plane_shapes.density_on(FIGURES, r, phi), r=r, phi=phi)
    return folder


@pytest.fixture(scope="module")
def result(home):
    wanted = options(generate_aligned_vtk=True, generate_input_vtk=True, generate_rotation_metric_vtk=True)
    return run_flat(home, model="model.npz", selection={"error_limit": 0.01}, resolution_metrics=METRICS, IO=wanted)


def test_every_documented_field_is_there_with_its_shape(result):
    with h5py.File(result[0] / "average_results.h5") as file:
        for group in ("average", "centered_average"):
            for name in ("real_density", "reciprocal_density", "normalized_real_density"):
                assert file[f"{group}/{name}"].shape == FLAT_SHAPE
        for name in ("intensity_from_densities", "intensity_from_ft_densities"):
            assert file[f"average/{name}"].shape == FLAT_SHAPE
        for i in range(4):
            assert file[f"aligned/{i}/real_density"].shape == file[f"input/{i}/support_mask"].shape == FLAT_SHAPE
        for name in ("internal_grid", "input_meta/grids"):
            assert file[f"{name}/real_grid"].shape == file[f"{name}/reciprocal_grid"].shape == (*FLAT_SHAPE, 2)
        for name in ("PRTF", "PRTF_std", "PRTF_from_density", "PRTF_ftI_std", "FSC", "FSC_half_bit", "pseudo_FSC", "FQCB"):
            assert file[f"resolution_metrics/{name}"].shape == FLAT_SHAPE[:1]
        assert file["alignment/centres"].shape == file["alignment/shifts"].shape == (4, 2)
        assert sorted(file["inversion_metric"]) == ["1", "2", "3"] and file["inversion_metric/1"].shape == (3,)
        assert file["rotation_angles/1/0"].shape == (1,)
        assert "rotation_metric" not in file and "so3_grid" not in file


def test_average_is_over_all_and_finds_the_object(result):
    with h5py.File(result[0] / "average_results.h5") as file:
        aligned = [file[f"aligned/{i}/real_density"][()] for i in range(4)]
        np.testing.assert_allclose(file["average/real_density"][()], np.mean(aligned, axis=0), atol=1e-12)
        assert max(file["alignment/errors"][()]) < 0.01
        for i, metric in file["inversion_metric"].items():
            assert (metric[1] < metric[0]) == bool(metric[2]) == file["alignment/inverted"][int(i)]
        assert np.abs(file["resolution_metrics/PRTF"][2:20]).min() > 0.98
        assert file["resolution_metrics/FSC"][:20].min() > 0.98
        assert file["comparison/band_limited"][()] > 0.98 and abs(file["comparison/scale"][()] - 1) < 0.05
        assert file["comparison/model"].shape == FLAT_SHAPE and file["comparison/pose_matrix"].shape == (2, 2)


def test_pictures_vtk_and_lines(result):
    folder, said = result
    for name in ("PRTF.png", "FSC.png", "FQCB.png", "comparison.png", "average.png", "settings.yaml"):
        assert (folder / name).stat().st_size > 1000, name
    assert not (folder / "sections.png").exists()
    scalars = read_vts(folder / "vtk/real_average.vts").scalars
    assert set(scalars) == {"density", "normalized_density", "model", "model_band_limited", "difference"}
    with h5py.File(folder / "average_results.h5") as file:
        aligned = read_vts(folder / "vtk/real_aligned_2.vts")
        np.testing.assert_allclose(aligned.scalars["density"][:, 0, :-1], file["aligned/2/real_density"][()], rtol=1e-6, atol=1e-7)
        stored = read_vts(folder / "vtk/real_input_1.vts").scalars
        np.testing.assert_allclose(stored["density"][:, 0, :-1], file["input/1/real_density"][()], rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(stored["support"][:, 0, :-1] > 0.5, file["input/1/support_mask"][()])
    assert (folder / "vtk/reciprocal_input_1.vts").exists()
    # Copies of one object agree on every ring, also where a ring holds less than one independent point and no limit exists.
    assert "half-set FSC > half-bit to q max" in said
    assert folder.parents[1].name == "2d_case" and "inversion_metric" in said and "against the true object" in said


def test_options_of_the_plane(home):
    folder, said = run_flat(
        home,
        model=False,
        multi_process={"use": False},
        use_masks=True,
        pointinvert_reference=True,
        center_reconstructions=False,
        normalize_reconstructions={"mode": "mean"},
        resolution_metrics={"PRTF": False},
        average_normalization_min=0.1,
        selection={"n_reconstructions": 2},
    )
    with h5py.File(folder / "average_results.h5") as file:
        assert len(file["aligned"]) == 2 and file["alignment/inverted"][0]
        np.testing.assert_array_equal(file["alignment/centres"][()], 0)
        assert "PRTF" not in file["resolution_metrics"] and "FQCB" not in file["resolution_metrics"]
        density = file["average/real_density"][()]
        np.testing.assert_allclose(file["average/normalized_real_density"][()], (density - 0.1) / (density.max() - 0.1))
        first = file["aligned/0/real_density"][()]
        np.testing.assert_allclose(first[first > 0].mean(), 1)
    assert "PRTF" not in said and not (folder / "PRTF.png").exists()


def test_further_rounds_align_to_the_average(home):
    folder, _ = run_flat(home, model=False, selection={"error_limit": 0.01}, max_iterations=3)
    with h5py.File(folder / "average_results.h5") as file:
        assert [len(file[f"rotation_angles/{i}"]) for i in (1, 2, 3)] == [3, 3, 3]
        assert max(abs(file[f"rotation_angles/{i}/2"][0]) for i in (1, 2, 3)) < 0.02
        assert max(file["alignment/errors"][()]) < 0.01


def test_single_precision_and_complex_densities(tmp_path):
    write_data(tmp_path / FLAT_FOLDER / "data.h5", SEEDS, ERRORS, np.float32, complex_density=True, space=disc())
    with h5py.File(tmp_path / FLAT_FOLDER / "data.h5", "r+") as file:
        for key in "0123":
            density = file[f"reconstruction_results/{key}/last_real_density"]
            density[...] = density[()] * (1 + 0.01j)
    folders = [run_flat(tmp_path, model=False, precision=precision)[0] for precision in ("single", "double")]
    averages = []
    for folder in folders:
        with h5py.File(folder / "average_results.h5") as file:
            averages.append(file["average/real_density"][()])
            assert max(file["alignment/errors"][()]) < 0.01
    with h5py.File(folders[0] / "average_results.h5") as file:
        assert file["aligned/0/real_density"].dtype == file["aligned/0/reciprocal_density"].dtype == np.complex64
    # The point inverse of a density with an imaginary part is its complex conjugate.
    assert np.abs(averages[1].imag).max() > 1e-3
    np.testing.assert_allclose(averages[0], averages[1], atol=1e-4)


def test_plane_and_space_are_not_mixed(tmp_path):
    write_data(tmp_path / FLAT_FOLDER / "data.h5", (1, 2), (1e-4, 2e-4), space=disc())
    write_data(tmp_path / FOLDER / "data.h5", (1, 2), (1e-4, 2e-4), space=ball())
    with pytest.raises(InputFileError, match="3 dimensions.*in 2; average them in separate runs"):
        run(tmp_path, reconstruction_files=["2d_case/1_1_2030/run_0/data.h5", "3d_case/1_1_2030/run_0/data.h5"])


def test_a_model_of_space_is_refused_for_the_plane(home, tmp_path):
    np.savez(home / "ball.npz", density=np.ones(SHAPE), r=np.arange(28.0), theta=np.arange(20.0), phi=np.arange(40.0))
    with pytest.raises(InputFileError, match="3 dimensions, the reconstructions have 2"):
        run_flat(home, model="ball.npz")


def test_plan(home):
    settings, _ = build("average", {"structure_name": "case", "reconstruction_files": ["2d_case/1_1_2030/run_0/data.h5"]})
    plan = average.plan(settings, context(home, settings, []))
    assert plan.memory > 0 and "28 x 40" in plan.lines[0]


def reference_settings(data_folder, path, **changes):
    return {
        "model": False,
        "reconstruction_files": [str(data_folder / path)],
        "find_rotation": {"r_limit_ids": list(range(2, 14))},
        "selection": {"error_limit": 0.01},
        **changes,
    }


def test_the_reference_files_of_the_plane(data_folder, tmp_path):
    path = "xframe/2d/average_input/a2_rec4/data.h5"
    folder, said = run(tmp_path, **reference_settings(data_folder, path, resolution_metrics=METRICS))
    assert "4 of 4 accepted" in said and folder.parents[1].name == "2d_case"
    with h5py.File(folder / "average_results.h5") as file, h5py.File(data_folder / "xframe/2d/average/a2_avg/average_results.h5") as theirs:
        assert [file[f"input_meta/reconstruction_keys/{i}/1"][()] for i in range(4)] == [b"3", b"1", b"0", b"2"]
        assert not file["alignment/inverted"][()].any()
        assert max(abs(file[f"rotation_angles/{i}/0"][0]) for i in (1, 2, 3)) < np.pi / 31
        # The reference shifts by an integral that misses a wedge, ours by the whole one and then by the best overlap.
        ours, other = file["average/real_density"][()].real, theirs["average/real_density"][()].real
        source = open_source(data_folder / path)
        space = DiscFields(source.radial, CircleGrid(31), 15)
        first, second = (prepare(space, x.T, x.T.astype(complex)) for x in (ours, other))
        assert relative_error(first.density, second.density, space.radial.r_weights) < 0.05
        aligned = [theirs[f"aligned/{i}/real_density"][()].real for i in (1, 2, 3)]
        errors = [np.sum((a - theirs["aligned/0/real_density"][()].real) ** 2 * source.radial.r_weights[:, None]) for a in aligned]
        norm = np.sum(theirs["aligned/0/real_density"][()].real ** 2 * source.radial.r_weights[:, None])
        assert max(file["alignment/errors"][()]) < max(errors) / norm


@pytest.mark.parametrize("name", ["a2_rec", "a2_rec_raw"])
def test_single_reconstructions_of_the_reference_as_several_files(reference_data, tmp_path, name):
    # One file twice: complete agreement, whatever the file holds besides.
    path = f"xframe/2d/reconstruct/{name}/data.h5"
    settings = reference_settings(reference_data, path)
    settings["reconstruction_files"] *= 2
    folder, _ = run(tmp_path, **settings)
    with h5py.File(folder / "average_results.h5") as file:
        assert max(file["alignment/errors"][()]) < 1e-6
        assert abs(file["rotation_angles/1/0"][0]) < 1e-6 and np.abs(file["alignment/shifts"][()]).max() < 0.02


def test_the_reference_files_of_space(reference_data, tmp_path):
    path = "xframe/3d/average_input/a3_rec3/data.h5"
    changes = {"resolution_metrics": METRICS, "find_rotation": {"r_limit_ids": list(range(1, 6))}}
    folder, said = run(tmp_path, **reference_settings(reference_data, path, **changes))
    assert "3 of 3 accepted" in said and folder.parents[1].name == "3d_case"
    with h5py.File(folder / "average_results.h5") as file:
        assert file["input_meta/reconstruction_keys/0/1"][()] == b"1"
        errors = dict(zip([file[f"input_meta/reconstruction_keys/{i}/1"][()].decode() for i in range(3)], file["alignment/errors"][()]))
        # The reference printed 0.0900 and 0.2476, and dropped the second.
        assert errors["1"] == 0 and errors["0"] < 0.0900 and errors["2"] < 0.2476
        assert len(file["aligned"]) == 3
    assert yaml.safe_load((folder / "settings.yaml").read_text())["resolution_metrics"]["FQCB"] is True
