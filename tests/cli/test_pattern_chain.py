"""`fxs-hpc fxs simulate_patterns NAME correlate NAME extract NAME` as typed."""

import pytest
import yaml
from click.testing import CliRunner

from fxs_hpc.cli.main import main

GEOMETRY = {
    "structure_name": "tiny",
    "image_dimensions": [32, 32],
    "pixel_size": 800.0,
    "sample_distance": 300.0,
    "detector_origin": [15.6, 15.7],
}
SETTINGS = {
    "simulate_patterns": {
        **GEOMETRY,
        "n_patterns": 6,
        "beam_stop_radius": 1.5,
        "truth": {"max_order": 4, "n_radial_points": 8, "n_shells": 6},
    },
    "correlate": {
        **GEOMETRY,
        "phi_range": [0.0, {"command": "2*np.pi"}, 32, "exact"],
        "use_binary_mask": True,
        "IO": {"folders": {"in_base": {"data": "patterns/3d_tiny/"}}},
    },
    "extract": {
        "structure_name": "tiny",
        "max_order": 4,
        "IO": {"files": {"invariants": {"options": {"plot_first_invariants": False, "plot_first_invariants_from_proj_matrices": False}}}},
    },
}
CHAIN = [word for command in SETTINGS for word in (command, "tiny")]


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "config.ini").write_text("home_dir = .\n[run]\nthreads = 1\n")
    for command, tree in SETTINGS.items():
        folder = tmp_path / "settings/projects/fxs" / command
        folder.mkdir(parents=True)
        (folder / "tiny.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words):
    return CliRunner().invoke(main, ["fxs", *words], catch_exceptions=False)


def test_the_chain_from_shapes_to_invariants(home):
    planned = typed(*CHAIN, "--dry-run")
    assert planned.exit_code == 0 and "6 patterns of 32 x 32 pixels" in planned.output and "cannot be planned yet" in planned.output
    assert not (home / "data").exists()
    done = typed(*CHAIN, "--set", "simulate_patterns.seed=3")
    assert done.exit_code == 0, done.output
    assert "6 patterns used" in done.output and "mean_pattern.png" in done.output and "first_patterns.png" in done.output
    assert (home / "data/fxs/invariants/3d_tiny.h5").exists()
    again = typed(*CHAIN, "--set", "simulate_patterns.seed=3", "--resume")
    assert again.output.count("done before") == 3
    other = typed(*CHAIN, "--resume")
    assert "done before" not in other.output and "6 patterns used" in other.output


def test_mistakes_are_named_before_anything_is_done(home):
    failed = typed("simulate_patterns", "tiny", "correlate", "tiny", "--set", "correlate.interpolation_order=7")
    assert failed.exit_code == 2 and "interpolation_order: found 7, allowed is integer >= 0" in failed.output
    assert not (home / "data").exists()
    failed = typed("simulate_patterns", "tiny", "--set", "fluence=1.0")
    assert failed.exit_code == 2 and "photons_per_particle, fluence: give one of them" in failed.output
    failed = typed("correlate", "tiny")
    assert failed.exit_code == 1 and "no such file" in failed.output
