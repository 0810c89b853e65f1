"""From a simulated crystal to what EMC reads, through every stage, with the settings of `make demo-emc` at a coarser sampling."""

import re

import small_run

from fxs_hpc.files.emc import peak_maps
from fxs_hpc.stages.emc.table import STAGES
from fxs_hpc.stages.working_directory import config_template

CHAIN = (
    "simulate-frames",
    "make-detector",
    "make-filelists",
    "make-background",
    "make-powder",
    "make-quaternion",
    "orient-peak",
    "reduce-data",
    "make-Ematrix",
    "init-phi",
    "make-sym-op",
    "evaluate-front-end",
)
COARSER = {"sim_frames": 36, "sim_junk": 0.1, "sim_peak_photons": 40, "res_cutoff": 5.0, "quat_file": "aux/c-quaternion14.bin"}


def test_the_truth_is_among_the_candidates(tmp_path):
    (tmp_path / "config.ini").write_text(config_template())
    context = small_run.context(tmp_path, **COARSER)
    for name in CHAIN:
        STAGES[name].module.run(context)
    said = "\n".join(context.said)
    kept = re.search(r"background alone (\d+) of 2; one crystal (\d+) of (\d+)", said)
    assert kept[1] == "0" and int(kept[2]) >= 0.6 * int(kept[3])
    assert float(re.search(r"candidates of ([\d.]+) % of", said)[1]) >= 90
    found, expected = map(int, re.search(r"peaks +(\d+) of (\d+) that", said).groups())
    assert found >= 0.7 * expected > 100
    false, seen = map(int, re.search(r"false peaks +(\d+) of (\d+)", said).groups())
    assert false <= 0.02 * seen
    assert float(re.search(r"background +median error ([\d.]+) %", said)[1]) < 6
    assert len(peak_maps.read(tmp_path / "Data/mpi-r2peak-low.bin").entries) > 1000
    for name in ("aux/start-phi.dat", "aux/sym-op.dat", "simulate-frames/front-end.png", "simulate-frames/frames.png"):
        assert (tmp_path / name).stat().st_size > 100
