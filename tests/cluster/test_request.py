"""[slurm] of config.ini -> what jobs ask for, and their text."""

import re
from pathlib import Path

import pytest
import tiny
from submitit.slurm.slurm import _make_sbatch_string

from fxs_hpc.cluster import sbatch
from fxs_hpc.cluster.request import COLLECT, request
from fxs_hpc.cluster.submission import Submission, array_tasks
from fxs_hpc.errors import SettingsError, UsageError
from fxs_hpc.stages.table import row_named


def asked(folder: Path, stage: str, slurm: str, ranks: int = 1):
    return request(row_named(stage), tiny.make_home(folder, slurm, ranks))


def test_the_stage_wins_over_the_defaults(tmp_path):
    found = asked(tmp_path, "reconstruct", "partition = cpu\ntime = 1:00:00\n[slurm:reconstruct]\npartition = gpu\ngres = gpu:1\n")
    assert found.options == {
        "cpus-per-task": "1",
        "gres": "gpu:1",
        "nodes": "1",
        "ntasks": "1",
        "partition": "gpu",
        "time": "1:00:00",
    }
    assert found.seconds == 3600 and found.launcher == "auto" and found.tasks is None


def test_the_job_behind_an_array(tmp_path):
    slurm = "[slurm:reconstruct]\npartition = gpu\ngres = gpu:1\n[slurm:reconstruct-collect]\npartition = cpu\n"
    found = request(row_named("reconstruct"), tiny.make_home(tmp_path, slurm), COLLECT)
    assert found.options["partition"] == "cpu" and "gres" not in found.options


def test_ranks_are_tasks_of_an_mpi_stage(tmp_path):
    assert asked(tmp_path, "low-res-emc", "", ranks=6).ranks == 6
    assert asked(tmp_path, "low-res-emc", "ntasks = 8\nnodes = 2\n", ranks=6).options["nodes"] == "2"
    assert asked(tmp_path, "low-res-emc", "ntasks = 8\n").ranks == 8
    assert asked(tmp_path, "make-detector", "ntasks = 8\nnodes = 2\n").ranks == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time = soon", "time = soon: allowed is minutes"),
        ("ntasks = many", "ntasks = many: allowed is an integer"),
        ("mem = lots", "mem = lots: allowed is a size"),
        ("options = -x", "'-x' is no --option"),
        ("tasks = 0", "tasks = 0: allowed is an integer"),
        ("[slurm:reconstrut]\ntime = 1", "no stage reconstrut (did you mean 'reconstruct'?)"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        asked(tmp_path, "reconstruct", text)


def test_a_job_of_submitit_as_text(tmp_path):
    wanted = asked(tmp_path, "low-res-emc", "ntasks = 4\ntime = 30\nsetup = module load openmpi\noptions = --exclusive --comment=x\n")
    parameters = sbatch.submitit_parameters(wanted, "low-res-emc", sbatch.dependency(["7"], ["8", "9"]))
    text = _make_sbatch_string(command="exec python -m task", folder=tmp_path, **parameters)
    lines = text.splitlines()
    for line in (
        "#SBATCH --ntasks=4",
        "#SBATCH --time=30",
        "#SBATCH --exclusive",
        "#SBATCH --comment=x",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR2@120",
        "#SBATCH --dependency=afterok:7,afterany:8:9",
        "#SBATCH --kill-on-invalid-dep=yes",
        "module load openmpi",
    ):
        assert lines.count(line) == 1, text
    assert "srun" not in text and "wckey" not in text
    assert lines.index("set -e") < lines.index("module load openmpi") < lines.index("exec python -m task")


def test_the_notice_fits_the_wall_time(tmp_path):
    notices = {time: sbatch.notice(asked(tmp_path, "low-res-emc", f"time = {time}\n")) for time in ("1", "5", "1-0")}
    assert notices == {"1": 10, "5": 30, "1-0": 120}


@pytest.mark.parametrize(("text", "tasks"), [("", 10), ("cpus = 4", 3), ("tasks = 2", 2), ("tasks = 99", 10)])
def test_tasks_of_an_array(tmp_path, text, tasks):
    assert array_tasks(10, asked(tmp_path, "reconstruct", f"[slurm:reconstruct]\n{text}\n"), 1000) == tasks


def test_no_more_tasks_than_the_cluster_allows(tmp_path):
    assert array_tasks(5000, asked(tmp_path, "reconstruct", ""), 1000) == 1000


def test_scripts_override_what_config_says(tmp_path):
    submission = Submission("fxs", tiny.make_home(tmp_path))
    with pytest.raises(UsageError, match="partition"):
        submission.override("reconstruct", {"partion": "gpu"})
