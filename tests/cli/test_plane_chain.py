"""The tutorial in the plane as typed, from noisy patterns to an average that is compared with what the patterns were made of."""

import h5py
import pytest
from click.testing import CliRunner

from fxs_hpc.cli.main import main

COMMANDS = ("simulate_patterns", "correlate", "extract", "reconstruct", "average")
LESS = {
    "simulate_patterns.n_patterns": 200,
    "simulate_patterns.IO.files.patterns.options.save_pictures": False,
    "correlate.IO.files.ccd.options.save_pictures": False,
    "extract.IO.files.invariants.options.plot_first_invariants": False,
    "extract.IO.files.invariants.options.plot_first_invariants_from_proj_matrices": False,
    "reconstruct.multi_process.n_parallel_reconstructions": 2,
    "reconstruct.main_loop.sub_loops.main.iterations": 3,
    "reconstruct.IO.files.reconstructions.options.generate_2d_images": False,
    "reconstruct.IO.files.reconstructions.options.generate_vtk_files": False,
    "reconstruct.IO.files.reconstructions.options.plot_error_metrics": False,
    "reconstruct.IO.files.reconstructions.options.plot_first_used_invariants": False,
}


@pytest.mark.slow
def test_patterns_of_figures_give_the_figures(tmp_path, monkeypatch):
    """A mirror image would not do: in the plane the average is turned and inverted through a point, not mirrored."""
    (tmp_path / "config.ini").write_text("home_dir = .\n[run]\nthreads = 1\n")
    monkeypatch.chdir(tmp_path)
    words = [word for command in COMMANDS for word in (command, "2d_tutorial")]
    changes = [word for key, value in LESS.items() for word in ("--set", f"{key}={value}")]
    done = CliRunner().invoke(main, ["fxs", *words, *changes], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (result,) = (tmp_path / "data/fxs/averages/2d_tutorial").glob("*/run_0/average_results.h5")
    with h5py.File(result) as file:
        assert file["comparison/band_limited"][()] > 0.97
