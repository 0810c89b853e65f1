"""Options of the loop that few runs use, from the settings to data.h5; all of them in one run, interrupted anywhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import particle
import plane_particle
import pytest

from fxs_hpc.engine.interface import Volume
from fxs_hpc.files.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fxs_hpc.fluctuation import phasing
from fxs_hpc.fluctuation.schedule import Centre, CountParticles, Freeze, ShrinkWrap, Step
from fxs_hpc.stages.fxs import phasing_grids, phasing_problem, phasing_worker

LOOPS = "main_loop__sub_loops__"
ERRORS = "main_loop__error__"
RECIPROCAL = (
    "l2_projection_diff",
    "deg2_invariant_l2_diff",
    "deg2_ranked_invariant_l2_diff",
    "ccd_diff",
    "fqc_error",
    "II_error",
)
EVERYTHING: dict[str, Any] = {
    "projections__real__projections__apply": ["support", "value_threshold", "average_center"],
    "projections__real__projections__average_center__max_radial_id": 2,
    "projections__real__HIO__considered_projections": ["support", "average_center"],
    "projections__real__shrink_wrap": {"mode": "fixed_volume", "fixed_volume": {"fractions": [[0.5, [0.2, 3], False], 0.2]}},
    "projections__reciprocal__number_of_particles": {"estimate": True, "settings": {"scan_space": [1, 8, 4]}},
    f"{ERRORS}methods": {
        "real": {"calculate": ["l2_projection_diff", "support_size"], "l2_projection_diff": {"inside_initial_support": False}},
        "reciprocal": {"calculate": list(RECIPROCAL), "deg2_ranked_invariant_l2_diff": {"order": 1}, "ccd_diff": {"C_order": 2}},
        "main": {"metrics": {"real": ["l2_projection_diff"], "reciprocal": ["fqc_error"]}, "type": "prod"},
    },
    f"{ERRORS}gain_limits": {"use": True, "main": 0.9, "steps": 5},
    f"{LOOPS}main": {
        "methods": {
            "HIO": 3,
            "ER": {"iterations": 2, "ft_stab": "link_to_enforce_initial_support", "link_to_enforce_initial_support": {"delay": 2}},
            "SW_center": 2,
            "HIO_non_FXS": 2,
            "ER_non_FXS": 1,
            "SW": 1,
        },
        "order": ["HIO", "SW_center", "ER", "HIO_non_FXS", "SW", "ER_non_FXS"],
        "iterations": 2,
        "best_density_not_in_first_n_iterations": 0,
    },
    f"{LOOPS}refinement": {"methods": {"ER": 6, "SW": 1}, "order": ["SW", "ER"], "iterations": 3},
    "main_loop__history_length": 7,
}
MODULES = {3: particle, 2: plane_particle}


def problem_of(home: Path, dimensions: int, precision: str = "double", **changes: Any):
    module = MODULES[dimensions]
    settings, _ = module.stage(module.make_home(home), **changes)
    return phasing_problem.problem(settings, module.invariants(), 3, precision)


def ends(problem, folder: Path, operations: int) -> Checkpoint:
    """Carry out some operations, leave a checkpoint, and have a worker go on from there."""
    engine, progress = phasing_worker.cpu_engine(problem), phasing.Progress()
    phasing_worker._start(engine, problem, 0)
    run = phasing.run(engine, problem.operations, problem.rules, progress)
    for _, _ in zip(range(operations), run):
        pass
    path = phasing_worker.checkpoint_path(folder, 0)
    write_checkpoint(path, Checkpoint("mark", progress, tuple(engine.snapshots())))
    phasing_worker.reconstruct(problem, 0, folder, "mark", lambda report: None)
    return read_checkpoint(path)


@pytest.mark.parametrize(("dimensions", "precision"), [(3, "single"), (2, "double")])
def test_all_at_once_and_interrupted(tmp_path, dimensions, precision):
    """Wherever the run is cut, it ends with the same bits."""
    problem = problem_of(tmp_path, dimensions, precision, **EVERYTHING)
    expected = ends(problem, tmp_path, 0)
    done, total = expected.progress.steps, sum(isinstance(operation, Step) for operation in problem.operations)
    assert 0 < done < total, "the gain limit ends blocks"
    assert expected.progress.position == len(problem.operations)
    assert len(expected.progress.particles["estimated"]) >= 1
    for operations in (1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 17, 22, 24):
        found = ends(problem, tmp_path, operations)
        assert found.progress == expected.progress, operations
        for one, other in zip(found.snapshots, expected.snapshots, strict=True):
            assert one.density.tobytes() == other.density.tobytes() and one.support.tobytes() == other.support.tobytes()


@pytest.mark.parametrize("dimensions", [3, 2])
def test_what_is_stored(tmp_path, dimensions):
    module = MODULES[dimensions]
    options = {"IO__files__reconstructions__options__plot_invariant_error": False, "multi_process__n_parallel_reconstructions": 1}
    folder = module.run(module.make_home(tmp_path), seed=3, **options, **EVERYTHING)
    with h5py.File(folder / "data.h5") as file:
        stored = file["reconstruction_results/0"]
        steps = len(stored["error_dict/main"])
        assert set(stored["error_dict/reciprocal"]) == set(RECIPROCAL)
        assert all(len(values) == steps and np.isfinite(values).all() for values in stored["error_dict/reciprocal"].values())
        assert np.all(np.diff(stored["n_particles"][:, 0]) <= 0) and stored["n_particles"][0, 0] == pytest.approx(8)
        assert len(stored["n_particles_fraction"]) == len(stored["n_particles_gradients"]) >= 1
        product = stored["error_dict/real/l2_projection_diff"][()] * stored["error_dict/reciprocal/fqc_error"][()]
        np.testing.assert_allclose(stored["error_dict/main"], product, rtol=1e-12)


def test_names_of_methods(tmp_path):
    names = ["HIO", "HIO_ft_stab", "HIO_non_FXS", "ER_non_FXS_ft_stab", "RAAR_non_FXS", "SW_center"]
    methods = {name: {"iterations": 1, "ft_stab": False} for name in names[:-1]} | {"SW_center": 1}
    main = {"methods": methods, "order": names, "iterations": 1}
    operations = problem_of(tmp_path, 3, **{f"{LOOPS}main": main, f"{LOOPS}order": ["main"]}).operations
    steps = [(o.update.method, o.update.stabilised, o.update.frozen) for o in operations if isinstance(o, Step)]
    assert steps == [("HIO", False, False), ("HIO", True, False), ("HIO", False, True), ("ER", True, True), ("RAAR", False, True)]
    kinds = [type(o) for o in operations if not isinstance(o, Step)][:3]
    assert kinds == [Freeze, Centre, ShrinkWrap]


def test_linked_stabilisation(tmp_path):
    linked = {"iterations": 2, "ft_stab": "link_to_enforce_initial_support", "link_to_enforce_initial_support": {"delay": 4}}
    main = {"methods": {"ER": linked, "ER_ft_stab": linked}, "order": ["ER", "ER_ft_stab"], "iterations": 1}
    operations = problem_of(tmp_path, 3, **{f"{LOOPS}main": main, f"{LOOPS}order": ["main"]}).operations
    assert [o.delay for o in operations if isinstance(o, Step)] == [4, 4, None, None]


def test_supports_by_volume(tmp_path):
    problem = problem_of(tmp_path, 3, projections__real__shrink_wrap=EVERYTHING["projections__real__shrink_wrap"])
    cuts = [o.cut for o in problem.operations if isinstance(o, ShrinkWrap)]
    assert cuts == [Volume(0.5), Volume(pytest.approx(0.4)), Volume(0.2)]
    engine = phasing_worker.cpu_engine(problem)
    phasing_worker._start(engine, problem, 0)
    sizes = []
    for operation in phasing.run(engine, problem.operations, problem.rules, phasing.Progress()):
        if isinstance(operation, ShrinkWrap):
            sizes.append(engine.support_fraction())
    np.testing.assert_allclose(sizes, [0.5, 0.4, 0.2], atol=0.02)


def test_the_density_is_centred(tmp_path):
    """Where SW_center is done, the centre of mass is near the origin; with SW it stays where the start had it."""
    for name in ("SW_center", "SW"):
        main = {"methods": {"HIO": 10, "ER": 10, name: 1}, "order": ["HIO", "ER", name], "iterations": 3}
        problem = problem_of(tmp_path / name, 3, **{f"{LOOPS}main": main, f"{LOOPS}order": ["main"]})
        engine = phasing_worker.cpu_engine(problem)
        phasing_worker._start(engine, problem, 0)
        places = []
        for operation in phasing.run(engine, problem.operations, problem.rules, phasing.Progress()):
            if isinstance(operation, ShrinkWrap):
                centre = problem.rules.centring.centre_of_mass(engine.density(), engine.support())
                places.append(np.linalg.norm(centre))
        assert (max(places[1:]) < 1.0) == (name == "SW_center"), places


def test_stopping_rules_of_the_settings(tmp_path):
    rules = problem_of(
        tmp_path,
        3,
        **{f"{ERRORS}limits": {"use": True, "main": 1e-4, "real": {"l2_projection_diff": 2e-4}, "reciprocal": {"fqc_error": 0.1}}},
        **{f"{ERRORS}limits__ends": "block", f"{ERRORS}gain_limits": {"use": True}},
        **{f"{ERRORS}methods__reciprocal__calculate": ["fqc_error"]},
    ).rules
    below = {"main": 1e-4, "real/l2_projection_diff": 2e-4, "reciprocal/fqc_error": 0.1}
    assert rules.limits.below == below and rules.limits.ends == "block"
    assert rules.gain_limit.gain == 0.02 and rules.gain_limit.steps is None
    unused = problem_of(tmp_path, 3, **{f"{ERRORS}limits": {"main": 1e-4}}).rules
    assert unused.limits is None and unused.gain_limit is None


def test_a_run_that_reaches_its_limit_ends(tmp_path):
    main = {"methods": {"HIO": 20, "ER": 20, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": 50}
    options = {f"{LOOPS}main": main, "multi_process__n_parallel_reconstructions": 1, f"{ERRORS}limits": {"use": True, "main": 1e-4}}
    options["main_loop__resolution_schedule"] = False
    folder = particle.run(particle.make_home(tmp_path), seed=3, **options)
    with h5py.File(folder / "data.h5") as file:
        errors = file["reconstruction_results/0/error_dict/main"][()]
    assert errors[-1] < 1e-4 and errors[:-1].min() >= 1e-4 and len(errors) < 2000


def test_particles_are_counted_as_asked(tmp_path):
    number = {"estimate": True, "initial": 2, "settings": {"estimate_in": ["HIO"], "scan_space": [1, 9, 3], "project": False}}
    problem = problem_of(tmp_path, 3, projections__reciprocal__number_of_particles=number)
    assert problem.rules.particles.candidates == pytest.approx((1, 3, 9))
    assert problem.rules.particles.assumed([5.0]) == 2 and not problem.rules.particles.project
    places = [place for place, o in enumerate(problem.operations) if isinstance(o, CountParticles)]
    assert len(places) == 2 and all(problem.operations[place - 1].update.method == "HIO" for place in places)
    assert problem_of(tmp_path, 3).rules.particles is None


def test_a_number_that_the_data_contradict_is_said(tmp_path):
    key = "projections__reciprocal__number_of_particles"
    data = replace(particle.invariants(), n_particles=3)

    def notes(**changes) -> str:
        settings, _ = particle.stage(tmp_path, grid__amplitude_order=14, **changes)
        return " ".join(phasing_grids.warnings(settings, data, phasing_grids.geometry(settings, data)))

    assert "3 particles per pattern" in notes() and "initial is 1" in notes()
    assert notes(**{f"{key}__initial": 3}) == notes(**{f"{key}__estimate": True}) == ""
