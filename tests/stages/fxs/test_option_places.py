"""Options that no other test changes: names and folders, shells of the rotation, what ends an optimisation, shapes, wavelength."""

import h5py
import numpy as np
import pytest
from extract_stage import found as extracted
from made_up_runs import FOLDER, run, write_data
from random_correlations import ORDER, path_of, write
from shots import SIMULATE, context, merged

from fxs_hpc.files.ccd import read_model
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.positivity import made_positive
from fxs_hpc.stages.fxs import simulate_patterns


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_data(folder / FOLDER / "data.h5", seeds=(4, 5), errors=(1e-4, 2e-4))
    return folder


def test_every_file_of_average_lies_where_it_is_wanted(home):
    options = {"plot_resolution_metrics": False, "generate_rotation_metric_vtk": True}
    tree = {
        "folders": {"mine": {"averaged_results": "numbers/"}, "pictures": {"averaged_results": "pictures/"}},
        "files": {
            "average_results": {"folder": "mine", "options": options},
            "real_vtk": {"folder": "pictures"},
            "reciprocal_vtk": {"name": "q_{reconstruction}.vts", "folder": "pictures"},
            "rotation_metric_vtk": {"name": "turned_{reconstruction}.vtr", "folder": "pictures"},
        },
    }
    run(home, model=False, IO=tree)
    names = {path.relative_to(home / "data/fxs/averages").as_posix().split("/", 3)[-1] for path in (home / "data/fxs/averages").rglob("*")}
    assert {"numbers/average_results.h5", "pictures/real_average.vts", "pictures/q_average.vts"} <= names
    assert any(name.startswith("pictures/turned_") for name in names)


def test_shells_of_the_rotation(home):
    """Other shells, another rotation; the object is the same, so that it differs little."""
    angles = []
    for shells in ([3, 4, 5], [10, 11, 12]):
        folder, _ = run(home, model=False, find_rotation={"r_limit_ids": shells}, max_iterations=1)
        with h5py.File(folder / "average_results.h5") as file:
            angles.append(file["rotation_angles/1/0"][()])
    assert np.abs(np.exp(1j * angles[0]) - np.exp(1j * angles[1])).max() > 1e-9


@pytest.mark.parametrize("which", ["matrices", "copy"])
def test_the_change_that_ends_an_optimisation(tmp_path, which):
    with h5py.File(path_of(write(tmp_path, 2), 2), "r+") as file:
        # A mean so small that most choices of the phases give negative intensities.
        mean, values = file["average_intensity"][()], file["cross_correlation/I1I1"]
        values[...] = values[()] - 0.96 * np.multiply.outer(mean, mean)[..., None]
        file["average_intensity"][...] = 0.2 * mean
    tree = {"dimensions": 2, "structure_name": "noise", "max_order": ORDER}
    limits = {"matrices": 1e-9, "copy": 1e-9} | {which: 0.5}
    _, plain = extracted(tmp_path, **tree)
    _, best = extracted(
        tmp_path,
        optimize_projection_matrices={"use": True, "n_iterations": 100, "error_change_limit": limits["matrices"]},
        low_resolution_intensity_approximation={"max_order": ORDER, "n_iterations": 100, "error_change_limit": limits["copy"]},
        **tree,
    )
    pairs = {
        "matrices": (best.projection_matrices, plain.projection_matrices),
        "copy": (best.low_resolution_coefficients, plain.low_resolution_coefficients),
    }
    ours, start = pairs[which]
    early, late = (made_positive(start, 100, limit, 2) for limit in (0.5, 1e-9))
    for vector, expected in zip(ours, early, strict=True):
        np.testing.assert_allclose(vector, expected, atol=1e-12 * np.abs(expected).max())
    assert max(np.abs(one - other).max() for one, other in zip(early, late, strict=True)) > 1e-3


def test_the_object_of_the_patterns_is_that_of_the_settings(tmp_path):
    tree = merged(SIMULATE, {"n_patterns": 1, "seed": 7})
    settings, surroundings = context("simulate_patterns", tree, tmp_path)
    found = read_model(simulate_patterns.run(settings, surroundings) / "truth.h5").shapes
    given = tree["shapes"]
    lists = (given[name] for name in ("types", "centers", "sizes", "densities", "random_orientation"))
    assert found == shapes.build(*lists, 7)
    assert [(shape.size, shape.density) for shape in found] == list(zip(given["sizes"], given["densities"], strict=True))


def test_wavelength_of_invariants_without_a_correlation(tmp_path):
    grid = {"max_q": 0.1, "n_radial_points": 8, "max_order": 4}
    _, result = extracted(tmp_path, extraction_mode="shapes", max_order=2, grid=grid, xray_wavelength=2.5)
    assert result.wavelength == 2.5
