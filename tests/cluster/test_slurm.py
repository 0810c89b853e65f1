"""What SLURM prints, and what we make of it."""

import subprocess

import pytest

from fxs_hpc.cluster import environment, mpi, slurm, state, status
from fxs_hpc.cluster.state import Chain, Submitted
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.stages.row import Standing

JOB = Submitted("low-res-emc", "stage", "12", 0, "2030-01-02T03:04:05+00:00", "jobs/low-res-emc")
ARRAY = Submitted("reconstruct", "stage", "20", 3, "2030-01-02T03:04:05+00:00", "jobs/reconstruct")


def test_the_queue():
    found = slurm.parse_queue("12|RUNNING|None|1:02:03|n1\n20_0|PENDING|DependencyNeverSatisfied|10:00|\n20_1|COMPLETED|None|0:00|n2\n")
    assert found["12"] == [slurm.Job("12", "RUNNING", "", "1:02:03", "n1")]
    assert [job.orphan for job in found["20"]] == [True, False] and [job.live for job in found["20"]] == [False, False]


def test_the_accounting():
    text = "12|CANCELLED by 0|None|01:00:00|n1\n12.batch|COMPLETED|||\n20_[3-7]|PENDING|||\n20_1|NODE_FAIL|None|1:00|None assigned\n"
    found = slurm.parse_accounting(text)
    assert found == {"12": [slurm.Job("12", "CANCELLED", "", "", "n1")], "20": [slurm.Job("20_1", "NODE_FAIL")]}


@pytest.mark.parametrize(
    ("states", "one"),
    [
        (["COMPLETED", "COMPLETED"], "COMPLETED"),
        (["COMPLETED", "FAILED"], "FAILED"),
        (["PENDING", "RUNNING", "FAILED"], "RUNNING"),
        (["COMPLETED", "PENDING"], "PENDING"),
    ],
)
def test_one_state_for_an_array(states, one):
    assert state.summary([slurm.Job(f"1_{index}", name) for index, name in enumerate(states)]) == one


class Cluster:
    """Commands of SLURM that print what they are told to."""

    def __init__(self, **outputs):
        self.outputs, self.calls = outputs, []

    def __call__(self, words, **options):
        self.calls.append((words, options["env"]))
        output = self.outputs.get(words[0], "")
        if isinstance(output, Exception):
            raise output
        return subprocess.CompletedProcess(words, 0 if not output.startswith("error") else 1, output, output)


@pytest.fixture
def cluster(monkeypatch):
    def make(**outputs):
        made = Cluster(**outputs)
        monkeypatch.setattr(subprocess, "run", made)
        return made

    return make


def test_the_queue_is_fresher_than_the_accounting(cluster):
    cluster(sacct="12|COMPLETED|||n1\n20_0|FAILED|||n1\n", squeue="12|RUNNING|None|5:00|n1\n")
    assert [job.state for jobs in slurm.jobs(["12", "20", "33"]).values() for job in jobs] == ["RUNNING", "FAILED", slurm.GONE]


def test_without_accounting_the_queue_counts(cluster):
    cluster(sacct="error: Slurm accounting storage is disabled", squeue="12|FAILED|NonZeroExitCode|0:00|n1\n")
    assert slurm.jobs(["12"])["12"][0].state == "FAILED"


def test_a_dead_controller_is_an_error_in_words(cluster):
    cluster(scancel=subprocess.TimeoutExpired("scancel", 30))
    with pytest.raises(slurm.SlurmError, match="does not answer within 30 s"):
        slurm.cancel(["1"])


def test_a_cluster_that_is_not_there(cluster):
    cluster(scancel=FileNotFoundError())
    with pytest.raises(slurm.SlurmError, match="this machine has no SLURM"):
        slurm.cancel(["1"])


@pytest.mark.parametrize(("text", "seconds"), [("1-02:03:04", 93784), ("59:30", 3570), ("0:07", 7), ("UNLIMITED", None), ("", None)])
def test_time_left(cluster, text, seconds):
    cluster(squeue=text + "\n")
    assert slurm.time_left("1") == seconds


def test_end_states_outlive_the_memory_of_slurm(cluster, tmp_path):
    state.write(tmp_path, Chain("fxs", "extract", None, (JOB,)))
    cluster(sacct="12|TIMEOUT|||n1\n")
    assert state.refreshed(tmp_path, "fxs")[1]["12"][0].state == "TIMEOUT"
    cluster()
    chain, states = state.refreshed(tmp_path, "fxs")
    assert states["12"][0].state == "TIMEOUT" and (chain.first, chain.last) == ("extract", None)


def test_state_of_another_version_is_read(tmp_path):
    path = state.path_of(tmp_path, "fxs")
    path.parent.mkdir()
    entry = '{"stage": "extract", "role": "stage", "number": "7", "tasks": 0, "when": "", "folder": "jobs/extract", "new": 1}'
    path.write_text(f'{{"format": 2, "jobs": [{entry}], "more": null}}')
    assert state.read(tmp_path, "fxs").jobs[0].number == "7"
    path.write_text("[1]")
    with pytest.raises(InputFileError, match="is no list of jobs"):
        state.read(tmp_path, "fxs")


@pytest.mark.parametrize(
    ("standing", "states", "words"),
    [
        (Standing(False, ""), [("RUNNING", "")], "running"),
        (Standing(False, ""), [("PENDING", "Dependency")], "waits for the stages before it"),
        (Standing(False, ""), [("PENDING", "Weather")], "waits (Weather)"),
        (Standing(False, ""), [("PENDING", "DependencyNeverSatisfied")], "never starts: a job before it failed"),
        (Standing(True, ""), [("FAILED", "")], "done"),
        (Standing(False, ""), [("COMPLETED", "")], "ended, not done"),
        (Standing(False, ""), [("OUT_OF_MEMORY", "")], "out of memory"),
        (Standing(False, ""), [(slurm.GONE, "")], "lost: SLURM has forgotten its jobs"),
        (Standing(False, ""), [("RUNNING", ""), ("PENDING", ""), ("FAILED", "")], "1 running, 1 waiting, 1 failed"),
        (Standing(False, ""), [("COMPLETED", ""), ("FAILED", ""), ("NODE_FAIL", "")], "failed (2 of 3 tasks)"),
    ],
)
def test_states_in_words(standing, states, words):
    entries = [slurm.Job(f"20_{index}", name, reason) for index, (name, reason) in enumerate(states)]
    assert status.in_words(standing, [ARRAY], {"20": entries}) == words


def test_variables_of_other_jobs_and_launchers_are_left_behind():
    environ = {
        **{"PATH": "/bin", "SLURM_CONF": "/x", "OMPI_MCA_btl": "tcp,self", "SBATCH_ACCOUNT": "a"},
        **{"SLURM_JOB_ID": "1", "SLURM_MEM_PER_NODE": "2", "SUBMITIT_EXECUTOR": "slurm"},
        **{"PMIX_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_MCA_ess_base_jobid": "1", "PMI_SIZE": "2", "PRTE_LAUNCHED": "1"},
    }
    kept = {"PATH", "SLURM_CONF", "OMPI_MCA_btl", "SBATCH_ACCOUNT"}
    assert environment.for_submission(environ).keys() == kept
    assert environment.for_launcher(environ).keys() == kept | {"SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "SUBMITIT_EXECUTOR"}


@pytest.mark.parametrize(
    ("answers", "code", "verdict"),
    [
        ([("2", "2", "Open MPI")] * 2, 0, "ok Open MPI"),
        ([("1", "1", "Open MPI")] * 2, 0, "starts 2 ranks that see 1 of 2"),
        ([("2", "1", "Open MPI")] * 2, 0, "ranks of one node do not share memory (groups of 1)"),
        ([], 1, "fails (exit status 1: not enough slots)"),
    ],
)
def test_launchers_are_judged_by_what_their_ranks_see(answers, code, verdict):
    assert mpi.judged(answers, code, "-----\nnot enough slots\n-----\n", 2, 1) == verdict


@pytest.mark.mpi
def test_a_launcher_is_found_and_tried(mpirun):
    found = mpi.launcher(2, "auto")
    assert "-np" in found.words and found.library
    with pytest.raises(UsageError, match="no launcher starts 2 MPI ranks here: false"):
        mpi.launcher(2, "false")
