"""Options of the phasing whose effect is told by what the result stores or says: of single orders, of the number of particles."""

import re

import h5py
import numpy as np
import plane_particle
import pytest

from fxs_hpc.engine.plane_projection import fixed_order
from fxs_hpc.fluctuation.particle_number import SETTLED
from fxs_hpc.stages.fxs import phasing_output, phasing_problem

METHODS = "main_loop__error__methods__reciprocal__"
ONE = {"multi_process__n_parallel_reconstructions": 1, "seed": 3}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return plane_particle.make_home(tmp_path_factory.mktemp("home"))


def series(home, metric, orders, **changes):
    """The metric, the errors of single orders and the strengths of the orders' invariants."""
    options = {"plot_invariant_error": orders, **ONE_PICTURE}
    folder = plane_particle.run(home, **ONE, **{f"{METHODS}calculate": [metric]}, IO__files__reconstructions__options=options, **changes)
    with h5py.File(folder / "data.h5") as file:
        found = {name: values[()] for name, values in file["reconstruction_results/0/error_dict/reciprocal"].items()}
        strengths = np.linalg.norm(file["deg_2_invariant"][()], axis=(1, 2))
    return found[metric], {order: found[f"deg2_invariant_l2_diff_order_{order}"] for order in orders}, strengths


ONE_PICTURE = {"generate_vtk_files": False, "generate_2d_images": False, "plot_error_metrics": False}


@pytest.mark.parametrize("order", [2, 6])
def test_component_of_the_correlation(home, order):
    """In the plane C_n = B_n."""
    found, of_orders, _ = series(home, "ccd_diff", [2, 6], **{f"{METHODS}ccd_diff__C_order": order})
    np.testing.assert_allclose(found, of_orders[order], rtol=1e-9)
    assert np.abs(of_orders[2] - of_orders[6]).max() > 1e-6


@pytest.mark.parametrize("place", [0, 3])
def test_place_in_the_ranking(home, place):
    orders = [2, 4, 6, 8, 10, 12, 14]
    found, of_orders, strengths = series(
        home, "deg2_ranked_invariant_l2_diff", orders, **{f"{METHODS}deg2_ranked_invariant_l2_diff__order": place}
    )
    strongest_first = sorted(orders, key=lambda order: -strengths[order])
    np.testing.assert_allclose(found, of_orders[strongest_first[place]], rtol=1e-9)


def test_rings_that_choose_the_fixed_order(home):
    chosen = {}
    for high_pass in (0.0, 0.2, 0.9):
        settings, _ = plane_particle.stage(home, projections__reciprocal__SO_freedom__radial_high_pass=high_pass)
        constraint = phasing_problem.problem(settings, plane_particle.invariants(), 0, "double").constraints.reciprocal
        assert constraint.fixed_order == fixed_order(constraint.projection_matrices, constraint.q, high_pass)
        chosen[high_pass] = constraint.fixed_order
    assert len(set(chosen.values())) > 1, chosen


def test_the_estimated_numbers_of_particles_are_told(home):
    """One for each reconstruction, in the order of their errors; what is told is what the file holds."""
    said: list[str] = []
    options = {
        "projections__reciprocal__number_of_particles": {"estimate": True, "settings": {"scan_space": [1, 8, 5]}},
        "multi_process__n_parallel_reconstructions": 2,
        "IO__files__reconstructions__options": ONE_PICTURE,
    }
    folder = plane_particle.run(home, say=said.append, **options)
    line = next(line for line in said if "particles per pattern, as estimated" in line)
    told = re.findall(r"([\d.]+)(, not settled)? \(number (\d)\)", line)
    with h5py.File(folder / "data.h5") as file:
        last = {key: group["error_dict/main"][-1] for key, group in file["reconstruction_results"].items()}
        for value, doubt, key in told:
            group = file[f"reconstruction_results/{key}"]
            made = len(group["n_particles_fraction"])
            assumed = group["n_particles"][:, 0]
            before = [assumed[0], *assumed[np.flatnonzero(np.diff(assumed)) + 1]]
            assert bool(doubt) == (abs(group["n_particles_fraction"][-1] - 1) >= SETTLED)
            assert float(value) == pytest.approx(before[made - 1] * group["n_particles_fraction"][-1], rel=5e-3)
    assert [key for *_, key in told] == sorted(last, key=last.__getitem__)


def test_invariants_of_the_plane_are_called_so(home, monkeypatch):
    seen = {}
    monkeypatch.setattr(phasing_output, "plot_moduli", lambda path, *given, symbol, **more: seen.update({path.name: symbol}))
    pictures = {"plot_first_used_invariants": True, "plot_reconstructed_deg2_invariants": True}
    options = {"IO__files__reconstructions__options": {**ONE_PICTURE, **pictures}}
    plane_particle.run(home, **ONE, **options, IO__files__invariants__options={"plot_first_invariants": True})
    assert {"first_Bl.png", "input_Bl.png", "0_out_Bl.png"} <= set(seen) and set(seen.values()) == {"B_n"}
