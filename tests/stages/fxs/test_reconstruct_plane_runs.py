"""Runs in the plane: reproducible bit by bit, alive after kill -9, turned alike, and right about the particle."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import particle
import plane_particle
import pytest
import yaml

from fxs_hpc.files import atomic
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import phasing
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid
from fxs_hpc.stages.fxs import phasing_problem, phasing_worker

RINGS = {"grid__n_radial_points": 21}  # not a whole number of bytes of support bits


def arrays(path: Path) -> dict[str, np.ndarray]:
    """All data sets but the run time."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return {name: value for name, value in found.items() if name != "stats/run_time"}


def assert_identical(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].tobytes() == value.tobytes(), name


@pytest.fixture(params=["single", "double", "complex"])
def kind(request) -> dict:
    """Precision, and whether densities are complex."""
    if request.param == "complex":
        return {**RINGS, "grid__n_phi": 39, "precision": "single"}
    return {**RINGS, "precision": request.param}


@pytest.fixture
def every_operation(monkeypatch):
    """A checkpoint after every operation of the schedule."""
    monkeypatch.setattr(phasing_worker, "CHECKPOINT_SECONDS", 0.0)


def killed_at(number: int, home: Path, **options) -> bool:
    """Run in a child that kills itself before it renames file `number`; tells if it came to that."""
    child = os.fork()
    if child == 0:
        calls, original = iter(range(10**6)), os.replace

        def replaced(*given):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*given)

        atomic.os.replace = replaced
        try:
            plane_particle.run(home, seed=7, **options)
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def test_killed_and_resumed_is_as_unbroken(tmp_path, every_operation, kind):
    expected = arrays(plane_particle.run(plane_particle.make_home(tmp_path / "unbroken"), seed=7, **kind) / "data.h5")
    home = plane_particle.make_home(tmp_path / "broken")
    for number in (0, 9, 30):
        assert killed_at(number, home, **kind, resume=number > 0)
    folder = plane_particle.run(home, seed=7, resume=True, **kind)
    assert_identical(arrays(folder / "data.h5"), expected)
    assert not [path for path in folder.iterdir() if path.name.startswith(("checkpoint", ".")) and path.name != ".lock"]


def test_two_processes_give_what_one_gives(tmp_path):
    one, two = (plane_particle.make_home(tmp_path / name) for name in ("one", "two"))
    expected = arrays(plane_particle.run(one, seed=7) / "data.h5")
    assert_identical(arrays(plane_particle.run(two, seed=7, threads=2) / "data.h5"), expected)


LONG = {
    "main_loop__sub_loops__main": {"methods": {"HIO": 30, "ER": 10, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": 4},
    "main_loop__resolution_schedule": False,
    "projections__real__shrink_wrap__sigmas": [8.0, 8.0],
    "multi_process__n_parallel_reconstructions": 4,
    "seed": 1,
}


def correlation(one: np.ndarray, other: np.ndarray, r: np.ndarray) -> float:
    """Of two densities (N, n_phi), or of one with the other inverted, whichever is larger."""

    def overlap(a, b):
        return np.sum(a * b * r[:, None])

    candidates = (other, np.roll(other, other.shape[1] // 2, axis=1))
    return max(overlap(one, found) / np.sqrt(overlap(one, one) * overlap(found, found)) for found in candidates)


def densities_of(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    with h5py.File(folder / "data.h5") as file:
        results = file["reconstruction_results"]
        r = file["configuration/internal_grid/real_grid"][:, 0, 0]
        return {key: results[key]["last_real_density"][()] for key in results}, r


@pytest.fixture(scope="module")
def long_home(tmp_path_factory):
    return plane_particle.make_home(tmp_path_factory.mktemp("solved"))


@pytest.fixture(scope="module")
def solved(long_home):
    """Densities and rings of a run that is long enough, oriented as by default."""
    return densities_of(plane_particle.run(long_home, **LONG))


def test_reconstructions_of_one_run_stand_alike(solved, long_home):
    """Centred and turned, up to point inversion, without any alignment: u_4 = 1 leaves a quarter of a turn free."""
    densities, r = solved
    assert min(correlation(densities["0"], densities[key], r) for key in "123") > 0.97
    as_found, _ = densities_of(plane_particle.run(long_home, **LONG, output_density_modifiers__fix_orientation=False))
    assert min(correlation(as_found["0"], as_found[key], r) for key in "123") < 0.9


def test_the_particle_is_found_and_is_not_its_mirror_image(solved):
    """Some rotation or inversion brings the formula's density, centred, onto the reconstruction; of its mirror image none does."""
    densities, r = solved
    heights = plane_particle.HEIGHTS / plane_particle.HEIGHTS.sum()
    centred = plane_particle.CENTRES - heights @ plane_particle.CENTRES

    def best(centres):
        found = []
        for angle in np.linspace(0, 2 * np.pi, 181):
            c, s = np.cos(angle), np.sin(angle)
            place = r[:, None, None] * plane_particle.directions(densities["0"].shape[1])
            squares = ((place[:, :, None] - centres @ np.array([[c, s], [-s, c]])) ** 2).sum(axis=-1)
            truth = np.exp(-squares / (2 * plane_particle.WIDTH**2)) @ plane_particle.HEIGHTS
            found.append(max(correlation(truth, densities["0"], r), -1))
        return max(found)

    assert best(centred) > 0.95
    assert best(centred * [1, -1]) < best(centred) - 0.05


def test_settings_of_the_reference_program_give_its_loop(data_folder, tmp_path):
    """From its settings.yaml and proj_data.h5 to its constraints and its error series, but for its two quirks of the error (see
    tests/fluctuation/test_plane_phasing_reference.py)."""
    source = data_folder / "xframe/2d/reconstruct/a2_rec_raw/data.h5"
    with h5py.File(source) as file:
        kept = {name: item[()] for name, item in file["reconstruction_results/0"].items() if isinstance(item, h5py.Dataset)}
        errors = file["reconstruction_results/0/error_dict/main"][()]
        vectors = [file[f"projection_matrices/{order}"][()] for order in range(15)]
        grids = [file[f"configuration/internal_grid/{name}_grid"][:, 0, 0] for name in ("real", "reciprocal")]
    settings = reference_settings(data_folder, tmp_path)
    data = read_proj_data(data_folder / "xframe/2d/extract/a2_e/proj_data.h5")
    problem = phasing_problem.problem(settings, data, 0, "double")
    assert problem.geometry.angular == CircleGrid(31) and problem.geometry.complex_density
    radial = problem.geometry.radial
    assert isinstance(radial, RadialGrid)
    np.testing.assert_allclose([radial.r, radial.q], grids, rtol=1e-14)
    constraint = problem.constraints.reciprocal
    np.testing.assert_allclose(constraint.spherical_average, vectors[0].real, atol=1e-13 * np.abs(vectors[0]).max())
    for order in range(1, 15):
        np.testing.assert_allclose(constraint.projection_matrices[order][:, 0], vectors[order], atol=1e-13 * np.abs(vectors[order]).max())
    np.testing.assert_array_equal(problem.initial_support, kept["initial_support"])
    rings = problem.constraints.error_radial_weights.copy()
    rings[-2] = 0
    limits = replace(problem.constraints, error_radial_weights=rings, error_inside_initial_support=False)
    engine = phasing_worker.cpu_engine(replace(problem, constraints=limits))
    engine.load(kept["initial_density"], problem.initial_support, problem.initial_support)
    progress = phasing.Progress()
    for _ in phasing.run(engine, problem.operations, problem.rules, progress):
        pass
    np.testing.assert_allclose(progress.errors["main"], errors, rtol=1e-11)
    np.testing.assert_array_equal(engine.support(), kept["last_support_mask"])


def reference_settings(data_folder: Path, home: Path):
    """Settings that the reference program stored, as of case a2_rec_raw, with preset: reference."""
    stored = {
        "preset": "reference",
        "structure_name": "a2_e",
        "dimensions": 2,
        "particle_radius": 230,
        "grid": {"n_radial_points": 32, "max_order": 15, "max_q": False, "n_phi": 0, "n_theta": 0},
        "projections": {
            "real": {
                "shrink_wrap": {"sigmas": [[20, [False, 5], -2], False], "thresholds": [0.09, 0.09]},
                "HIO": {"beta": [[0.5, 0.4, -1 / 250, 500], [0.01, 0.002, -1 / 200, 200]]},
            },
            "reciprocal": {"used_order_ids": list(range(15))},
        },
        "main_loop": {
            "sub_loops": {
                "main": {"methods": {"HIO": 6, "ER": 4, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": 3},
                "refinement": {"methods": {"ER": 5, "SW": 1}, "order": ["SW", "ER"], "iterations": 1},
            }
        },
    }
    path = home / "a2_rec_raw.yaml"
    path.write_text(yaml.safe_dump(stored))
    return particle.load("reconstruct", str(path), home).model
