"""jobs/: what a user reads and edits is what the table of stages says."""

import subprocess
from pathlib import Path

import pytest

from fxs_hpc.cluster import job_files
from fxs_hpc.stages import document
from fxs_hpc.stages.table import PIPELINES

JOBS = Path(__file__).parents[2] / "jobs"


def test_the_files_are_those_of_the_table():
    texts = job_files.texts()
    assert {path.name for path in JOBS.iterdir() if path.suffix in (".py", ".sbatch")} == set(texts), "run `make jobs`"
    for name, text in texts.items():
        assert (JOBS / name).read_text() == text, f"{name}: run `make jobs`"


def test_every_stage_has_both_kinds():
    for rows in PIPELINES.values():
        for row in rows:
            assert {f"{row.name}.py", f"{row.name}.sbatch"} <= set(job_files.texts())


def test_the_page_of_stages_is_that_of_the_table():
    assert (JOBS.parent / "docs" / "stages.md").read_text() == document.markdown(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(name for name in job_files.texts() if name.endswith(".sbatch")))
def test_scripts_are_valid_shell(name):
    text = job_files.texts()[name]
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert text.startswith("#!/bin/bash\n") and text.splitlines()[-1].startswith("exec fxs-hpc run ")


def test_a_script_of_an_mpi_stage():
    text = job_files.texts()["low-res-emc.sbatch"]
    assert text == (
        "#!/bin/bash\n"
        "# low-res-emc: The low-resolution intensity, iteration by iteration.\n"
        "# In a working directory made by `fxs-hpc init`: sbatch jobs/low-res-emc.sbatch\n"
        "#SBATCH --job-name=low-res-emc\n"
        "#SBATCH --cpus-per-task=1\n"
        "#SBATCH --ntasks=8\n"
        "#SBATCH --time=12:00:00\n"
        "##SBATCH --partition=...\n##SBATCH --account=...\n##SBATCH --qos=...\n##SBATCH --mem=...\n##SBATCH --gres=...\n"
        "##SBATCH --constraint=...\n"
        "#SBATCH --output=%x-%j.log\n#SBATCH --open-mode=append\n#SBATCH --requeue\n"
        "# Asked to stop in time, it goes back into the queue and on from where it was.\n"
        "#SBATCH --signal=B:USR1@120\n"
        "\n"
        "set -e\n# module load openmpi\n# . .venv/bin/activate\n"
        "exec fxs-hpc run emc --from low-res-emc --to low-res-emc --config config.ini --requeue\n"
    )


def test_scripts_of_an_array():
    texts = job_files.texts()
    assert "#SBATCH --array=0-7\n" in texts["reconstruct.sbatch"]
    assert texts["reconstruct.sbatch"].endswith("--requeue --share $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT\n")
    assert texts["reconstruct-collect.sbatch"].endswith("--requeue --collect\n")
