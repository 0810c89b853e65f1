"""Settings of the commands: defaults, existing files, the tutorial word for word, and mistakes."""

import math
from pathlib import Path

import pytest
import yaml

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.settings import build, load, packaged
from fxs_hpc.errors import SettingsError, UsageError

STORED = sorted((Path(__file__).parents[1] / "data" / "settings").glob("*/*.yaml"))
REQUIRED = {"average": {"reconstruction_files": ["a/data.h5"]}}
PRINTED = sorted(path.stem for path in (Path(__file__).parents[1] / "data" / "tutorial").glob("*.txt"))
"""Commands whose settings the tutorial prints."""
PACKAGED = [(command, name) for command in COMMANDS for name in packaged(command)]


def model(command, text=""):
    return build(command, {**REQUIRED.get(command, {}), **(yaml.safe_load(text) or {})})[0]


def refused(command, text):
    with pytest.raises(SettingsError) as caught:
        model(command, text)
    return str(caught.value)


def test_every_command_has_settings_to_start_from():
    assert set(PRINTED) < set(COMMANDS)
    for command in COMMANDS:
        assert {"tutorial", "demo"} <= set(packaged(command))


@pytest.mark.parametrize("command", PRINTED)
def test_the_tutorial_is_installed_word_for_word(command, data_folder):
    printed = [line.strip() for line in (data_folder / "tutorial" / f"{command}.txt").read_text().splitlines()]
    installed = [line.strip() for line in packaged(command)["tutorial"].read_text().splitlines()]
    assert installed == printed


@pytest.mark.parametrize(("command", "name"), PACKAGED)
def test_packaged_settings_load_and_load_again(command, name, tmp_path):
    loaded = load(command, name, tmp_path)
    assert build(command, loaded.model.tree())[0] == loaded.model
    assert loaded.model.structure_name in (name, "tutorial")


def test_values_of_the_tutorial(tmp_path):
    simulate = load("simulate_ccd", "tutorial", tmp_path).model
    assert simulate.shapes.types == ("tetrahedron",) * 6
    assert simulate.shapes.centers[0] == (0, 0, 0)
    assert simulate.shapes.centers[3] == pytest.approx((140, math.pi / 2, 4 * math.pi / 5))
    assert simulate.grid.n_radial_points == 512 and simulate.grid.max_order == 128 and simulate.grid.max_q == 0.322416
    reconstruct = load("reconstruct", "tutorial", tmp_path).model
    real = reconstruct.projections.real
    assert reconstruct.grid.n_radial_points == 128
    assert real.projections.apply == ("support", "value_threshold", "limit_imag")
    assert real.projections.support.enforce_initial_support.if_error_bigger_than == 6e-3
    assert real.projections.support.initial_support.max_radius == reconstruct.density_guess.radius == 250
    assert real.projections.value_threshold.threshold == (0, False)
    sigma = real.shrink_wrap.sigmas[0]
    assert (sigma.start, sigma.stop, sigma.stop_argument, sigma.slope) == (20, False, 5, -2)
    assert real.shrink_wrap.sigmas[1].start is False and real.shrink_wrap.sigmas[1].constant
    beta = real.HIO.beta[0]
    assert (beta.start, beta.stop, beta.exponent, beta.stop_argument) == (0.5, 0.4, -1 / 250, 500)
    assert reconstruct.projections.reciprocal.used_order_ids == tuple(range(64))
    loops = reconstruct.main_loop.sub_loops
    assert loops.order == ("main", "refinement")
    assert loops.loops["main"].methods["HIO"].iterations == 60 and loops.loops["refinement"].iterations == 1
    average = load("average", "tutorial", tmp_path).model
    assert average.alignment_error_limit == 0.5
    assert average.find_rotation.r_limit_ids == tuple(range(20, 80, 2))


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_existing_files_load_unchanged(path, tmp_path):
    loaded = load(path.parent.name, str(path), tmp_path)
    assert build(path.parent.name, loaded.model.tree())[0] == loaded.model


@pytest.mark.parametrize("command", PRINTED)
def test_all_reference_settings_load(command, reference_data, tmp_path):
    folders = [command, "average_input"] if command == "reconstruct" else [command]
    pattern = "cor_*/*settings.yaml" if command == "correlate" else "*/*settings.yaml"
    paths = [path for folder in folders for path in (reference_data / "xframe").glob(f"*/{folder}/{pattern}")]
    paths = paths or list((reference_data / "xframe" / command).glob(pattern))
    assert paths
    for path in paths:
        load(command, str(path), tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_that_was_given_and_the_merged_one_agree(command):
    for merged in (path for path in STORED if path.parent.name == command and "input" not in path.stem):
        given = next(
            path
            for path in STORED
            if path.parent == merged.parent and path.stem.endswith("input_settings") and path.stem[:5] == merged.stem[:5]
        )
        a, b = (load(command, str(path), Path("/")).model.replaced(IO={}) for path in (merged, given))
        assert a == b


def test_models_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        model("extract").max_order = 3


def test_documented_defaults():
    reconstruct = model("reconstruct")
    assert reconstruct.projections.real.projections.apply == ("support", "value_threshold", "assert_real")
    assert reconstruct.fourier_transform.reciprocity_coefficient == 2
    assert reconstruct.main_loop.sub_loops.loops["main"].iterations == 10
    assert reconstruct.main_loop.sub_loops.loops["refinement"].iterations == 1
    assert math.isinf(reconstruct.main_loop.sub_loops.loops["main"].best_density_not_in_first_n_iterations)
    assert reconstruct.IO.files.reconstructions.options.generate_vtk_files == slice(2)
    assert model("simulate_ccd").fourier_transform.reciprocity_coefficient == 1
    assert model("extract").cross_correlation.datasets.I1I1.modify_cc.subtract_average_intensity is True


def test_short_forms_and_other_spellings():
    custom = """
particle_radius: 200
projections: {real: {HIO: {betas: [0.5]}}}
main_loop:
  sub_loops:
    order: [custom]
    custom:
      mehtods: {HIO: {iterations: 100}, ER: {iterations: 5}, SW: 1}
      iterations: 5
      order: ['HIO','ER','SW','ER']
"""
    loops = model("reconstruct", custom).main_loop.sub_loops
    assert loops.loops["custom"].methods["SW"].iterations == 1
    assert loops.loops["custom"].order == ("HIO", "ER", "SW", "ER")
    shapes = "{types: [thethrahedron], centers: [[0,0,0]], sizes: [1], densities: [1], random_orientation: [false]}"
    assert model("simulate_ccd", f"shapes: {shapes}").shapes.types == ("tetrahedron",)
    assert model("simulate_ccd", "fourier_transform: {type: zernike, pi_in_q: True}").fourier_transform.reciprocity_coefficient == math.pi
    assert model("average", "selection: {max_density_range: [1e-1, None]}").selection.max_density_range == (0.1, None)
    assert model("average", "l2_error_limit: 0.3").alignment_error_limit == 0.3


def test_numbers_that_yaml_reads_as_text():
    assert (
        model("extract", "optimize_projection_matrices: {error_change_limit: 1e-5}").optimize_projection_matrices.error_change_limit == 1e-5
    )


def test_the_preset_changes_defaults_only():
    reference = model("reconstruct", "preset: reference\ngrid: {max_order: 31}\nprojections: {reciprocal: {scale: 1.5}}")
    assert reference.projections.reciprocal.scale == 1.5
    assert reference.projections.reciprocal.keep_unknown_orders is False
    assert reference.projections.real.shrink_wrap.kernel == "flat_top"
    assert reference.grid.amplitude_order == 31
    assert reference.projections.reciprocal.used_order_ids == tuple(range(32))


MISTAKES = [
    ("reconstruct", "particle_radus: 3", "particle_radus: unknown key (did you mean 'particle_radius'?"),
    ("reconstruct", "grid: {n_radial_point: 3}", "grid.n_radial_point: unknown key (did you mean 'n_radial_points'"),
    ("reconstruct", "grid: {max_order: -3}", "grid.max_order: found -3, allowed is integer >= 1"),
    ("reconstruct", "grid: {max_order: true}", "grid.max_order: found True"),
    ("reconstruct", "grid: {max_order: many}", "found 'many', allowed is integer >= 1"),
    ("reconstruct", "grid: 3", "grid: expected sub-settings (max_q,"),
    ("reconstruct", "GPU: true", "GPU: expected sub-settings (use, n_gpu_workers, required, device, batch, allow_single)"),
    ("reconstruct", "density_guess: {type: bum}", "allowed is one of 'bump', 'ball', 'low_resolution_autocorrelation'"),
    ("reconstruct", "projections: {real: {projections: {apply: [suport]}}}", "projections.real.projections.apply[0]: found 'suport'"),
    ("reconstruct", "projections: {real: {shrink_wrap: {sigmas: [[20, 5]]}}}", "a linear ramp is [start, [stop, stop_argument], slope]"),
    ("reconstruct", "projections: {real: {HIO: {beta: [0.5, 0.4, 0.3]}}}", "HIO.beta: 3 entries for the 2 blocks main, refinement"),
    ("reconstruct", "projections: {real: {HIO: {beta: [1], betas: [2]}}}", "another spelling of 'beta'"),
    ("reconstruct", "projections: {reciprocal: {used_order_ids: [70]}}", "70 is above grid.max_order = 63"),
    (
        "reconstruct",
        "projections: {reciprocal: {number_of_particles: {estimate: true, settings: {estimate_in: [RAAR]}}}}",
        "number_of_particles.settings.estimate_in: none of RAAR makes steps",
    ),
    ("reconstruct", "main_loop: {sub_loops: {order: [man]}}", "order names the block 'man', which is not defined here"),
    ("reconstruct", "main_loop: {sub_loops: {main: {order: [HI0]}}}", "order names 'HI0'"),
    ("reconstruct", "main_loop: {sub_loops: {order: [a], a: {order: [ER], methods: {EE: 3}}}}", "main_loop.sub_loops.a.methods.EE"),
    ("reconstruct", "main_loop: {sub_loops: {order: [a], a: {order: [ER]}}}", "main_loop.sub_loops.a.methods: is missing"),
    ("reconstruct", "main_loop: {error: {limits: {use: true}}}", "main_loop.error: limits.use is True, but no limit is given"),
    (
        "reconstruct",
        "main_loop: {error: {limits: {use: true, reciprocal: {fqc_error: 1e-3}}}}",
        "limits.reciprocal names 'fqc_error', which methods.reciprocal.calculate does not",
    ),
    (
        "reconstruct",
        "projections: {reciprocal: {number_of_particles: {settings: {scan_space: [20, 1, 40]}}}}",
        "scan_space: [20, 1, ...] is no range",
    ),
    (
        "reconstruct",
        "projections: {reciprocal: {number_of_particles: {estimate: true}, used_order_ids: [2, 4]}}",
        "the number shows in order 0, which used_order_ids does not name",
    ),
    (
        "reconstruct",
        "projections: {real: {shrink_wrap: {fixed_volume: {fractions: [2]}}}}",
        "shrink_wrap.fixed_volume.fractions: found 2.0, allowed is a fraction",
    ),
    ("reconstruct", "main_loop: {resolution_schedule: [[1], [1], [1]]}", "main_loop.resolution_schedule: 3 entries for the 2 blocks"),
    (
        "reconstruct",
        "projections: {real: {projections: {value_threshold: {threshold: [1, False]}}}}",
        "value_threshold.threshold: [1, inf] does not contain 0",
    ),
    (
        "reconstruct",
        "projections: {real: {projections: {apply: [limit_imag], limit_imag: {threshold: 0}}}}",
        "limit_imag.threshold: 0 leaves no imaginary part",
    ),
    ("reconstruct", "projections: {real: {HIO: {considered_projections: [limit_imag]}}}", "considered_projections: 'limit_imag' is not"),
    ("reconstruct", "projections: {real: {shrink_wrap: {sigmas: [[20, [5, False], False]]}}}", "needs a stop_argument or a slope"),
    ("reconstruct", "projections: {real: {shrink_wrap: {sigmas: [[20, [5, False], 2]]}}}", "the slope 2 of a linear ramp leads away"),
    ("reconstruct", "projections: {real: {shrink_wrap: {thresholds: [[0.1, [False, 2], 0.1]]}}}", "a threshold that rises needs a stop"),
    ("reconstruct", "projections: {real: {shrink_wrap: {thresholds: [9]}}}", "shrink_wrap.thresholds: found 9.0, allowed is a fraction"),
    ("reconstruct", "projections: {reciprocal: {q_mask: {manual: {region: [0.2, 0.1]}}}}", "q_mask.manual: region: [0.2, 0.1] is empty"),
    (
        "reconstruct",
        "projections: {reciprocal: {q_mask: {manual: {order_dependent_line: [[4, 0], [4, 1]]}}}}",
        "q_mask.manual: order_dependent_line: both points have order 4",
    ),
    ("reconstruct", "IO: {files: {ft_weights: {name: mine.h5}}}", "IO.files.ft_weights: this is not available; weights are computed"),
    (
        "extract",
        "cross_correlation: {datasets: {I1I1: {bl_q_limits: {max: {line: [[4, 0], [4, 1]]}}}}}",
        "bl_q_limits.max: line: both points have order 4",
    ),
    ("reconstruct", "IO: {files: {reconstructions: {folder: result}}}", "'result' is not defined (did you mean 'results'"),
    ("extract", "IO: {folders: {ccd: {dat: ccd/}}}", "lies in 'dat', which is not defined (did you mean 'data'"),
    ("extract", "IO: {folders: {a: {b: x}, b: {a: x}}}", "lie in each other"),
    (
        "extract",
        "IO: {files: {ccd: {name: '{structur_name}.h5'}}}",
        "the placeholder {structur_name} is unknown (did you mean 'structure_name'",
    ),
    ("extract", "cross_correlation: {datasets_to_process: [I2I1]}", "needs all three"),
    ("extract", "cross_correlation: {datasets: {I2I1: {bl_enforce_psd: true}}}", "I2I1.bl_enforce_psd"),
    ("extract", "cross_correlation: {datasets: {I1I1: {bl_extraction_method: invert}}}", "bl_extraction_method: found 'invert'"),
    ("extract", "max_order: {command: __import__('os')}", "max_order: command"),
    ("extract", "structure_name: a/b", "structure_name: found 'a/b'"),
    ("simulate_ccd", "shapes: {sizes: [70]}", "all lists need one entry per shape"),
    (
        "simulate_ccd",
        "dimensions: 2\nshapes: {types: [cube], centers: [[0, 0, 0]], sizes: [1], densities: [1], random_orientation: [False]}",
        "shapes.centers",
    ),
    ("simulate_ccd", "dimensions: 4", "dimensions: found 4, allowed is one of 2, 3"),
    ("average", "reconstruction_files: []", "reconstruction_files"),
    ("average", "alignment_error_limit: 0.4\nl2_error_limit: 0.3", "keep one"),
]


@pytest.mark.parametrize(("command", "text", "expected"), MISTAKES, ids=[text for _, text, _ in MISTAKES])
def test_mistakes_name_key_value_and_what_is_allowed(command, text, expected):
    assert expected in refused(command, text)


def test_a_mistake_names_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("max_ordr: 3\n")
    with pytest.raises(SettingsError, match=rf"{path}: max_ordr: unknown key \(did you mean 'max_order'"):
        load("extract", str(path), tmp_path)


def test_all_mistakes_are_listed():
    message = refused("extract", "max_ordr: 3\ndimensions: 5")
    assert "max_ordr" in message and "dimensions" in message


def test_a_missing_required_key_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("structure_name: x\n")
    with pytest.raises(SettingsError, match="reconstruction_files: is missing"):
        load("average", str(path), tmp_path)


def test_names_that_do_not_exist(tmp_path):
    with pytest.raises(SettingsError, match=r"no settings called 'tutoral' \(did you mean 'tutorial'.*demo"):
        load("extract", "tutoral", tmp_path)
    with pytest.raises(UsageError, match=r"unknown command 'extrat' \(did you mean 'extract'"):
        load("extrat", "tutorial", tmp_path)
    with pytest.raises(SettingsError, match="no such settings file"):
        load("extract", str(tmp_path / "x.yaml"), tmp_path)


def test_settings_of_the_working_directory_win(tmp_path):
    folder = tmp_path / "settings" / "projects" / "fxs" / "extract"
    folder.mkdir(parents=True)
    (folder / "tutorial.yaml").write_text("max_order: 5\n")
    assert load("extract", "tutorial", tmp_path).model.max_order == 5
    (folder / "default_0.01.yaml").write_text("low_resolution_intensity_approximation:\n  max_order: 7\nmax_order: 9\ncross_correlation:\n")
    merged = load("extract", "tutorial", tmp_path).model
    assert merged.max_order == 5 and merged.low_resolution_intensity_approximation.max_order == 7
    (folder / "default_0.01.yaml").write_text("max_order: {_value: 9, _description: x}\n")
    loaded = load("extract", "tutorial", tmp_path)
    assert loaded.model.max_order == 5 and "reference program's format" in loaded.notes[0]


def test_overrides_win(tmp_path):
    loaded = load("extract", "tutorial", tmp_path, {"max_order": 11, "cross_correlation.datasets.I1I1.bl_enforce_psd": True})
    assert loaded.model.max_order == 11 and loaded.model.cross_correlation.datasets.I1I1.bl_enforce_psd


def test_changed_leaves_out_what_follows_another_key(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("particle_radius: 200\n")
    assert load("reconstruct", str(path), tmp_path).changed == {"particle_radius": 200}


def test_zero_is_not_false():
    """`threshold: [0, False]` of the tutorial bounds the density from below; 0 == False must not undo that."""
    threshold = model("reconstruct", "projections: {real: {projections: {value_threshold: {threshold: [0, False]}}}}")
    assert threshold.projections.real.projections.value_threshold.threshold[0] is not False
    assert threshold.projections.real.projections.value_threshold.threshold[1] is False
    enforced = model("reconstruct", "projections: {real: {projections: {support: {enforce_initial_support: {if_error_bigger_than: 0}}}}}")
    assert enforced.projections.real.projections.support.enforce_initial_support.if_error_bigger_than is not False
    assert model("reconstruct", "multi_process: {n_parallel_reconstructions: 1}").multi_process.n_parallel_reconstructions is not True
