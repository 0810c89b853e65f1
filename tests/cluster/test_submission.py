"""Which jobs a pipeline becomes, and which wait for which; SLURM is played by a list."""

import itertools
from dataclasses import replace

import pytest
import small_crystal
import tiny

from fxs_hpc.cluster import slurm, state, submission
from fxs_hpc.cluster.submission import Submission
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.stages.fxs.row import FxsRow
from fxs_hpc.stages.row import Standing


@pytest.fixture
def queue(monkeypatch):
    """Jobs that were sent: (number, parameters, commands); all of them wait for ever."""
    sent, numbers = [], itertools.count(1)

    def send(folder, parameters, commands):
        sent.append((str(next(numbers)), parameters, commands))
        return sent[-1][0]

    monkeypatch.setattr(submission, "send", send)
    monkeypatch.setattr(slurm, "largest_array", lambda: 1000)
    monkeypatch.setattr(slurm, "jobs", lambda numbers: {number: [slurm.Job(number, "PENDING")] for number in numbers})
    return sent


def waits_for(job):
    return job[1]["additional_parameters"].get("dependency", "")


def test_jobs_of_fxs(tmp_path, queue):
    config = tiny.make_home(tmp_path, "[slurm:reconstruct]\ntasks = 2\ngres = gpu:1\n")
    said = []
    jobs = Submission("fxs", config, said.append).submit()
    assert [(job.stage, job.role, job.tasks, job.after) for job in jobs] == [
        ("simulate_ccd", "stage", 0, ""),
        ("extract", "stage", 0, "1"),
        ("reconstruct", "stage", 2, "2"),
        ("reconstruct", "collect", 0, "2, 3"),
        ("average", "stage", 0, "4"),
    ]
    assert [waits_for(job) for job in queue] == ["", "afterok:1", "afterok:2", "afterok:2,afterany:3", "afterok:4"]
    assert [command[-2:] for command in queue[2][2]] == [["--share", "0/2"], ["--share", "1/2"]]
    assert queue[3][2][0][-1] == "--collect" and "gres" not in queue[3][1]["additional_parameters"]
    assert "reconstruct: job 4 (collect), after 2, 3" in said
    assert state.read(tmp_path, "fxs").jobs == tuple(jobs)


def test_nothing_is_submitted_twice(tmp_path, queue):
    config = tiny.make_home(tmp_path)
    Submission("fxs", config, print).submit()
    with pytest.raises(UsageError, match=r"fxs is submitted already: jobs 1 \(simulate_ccd, PENDING\)"):
        Submission("fxs", config, print).submit()
    assert len(queue) == 5


def test_what_is_done_is_left_out_but_not_what_comes_of_new_inputs(tmp_path, queue, monkeypatch):
    monkeypatch.setattr(FxsRow, "standing", lambda row, config: Standing(row.name != "extract", "results in x"))
    said = []
    jobs = Submission("fxs", tiny.make_home(tmp_path), said.append).submit()
    assert said[0] == "simulate_ccd: done before, results in x"
    assert [job.stage for job in jobs] == ["extract", "reconstruct", "reconstruct", "average"]


def test_a_submission_that_breaks_off_takes_its_jobs_back(tmp_path, queue, monkeypatch):
    good, cancelled = submission.send, []

    def refuse_the_third(folder, parameters, commands):
        if len(queue) == 2:
            raise slurm.SlurmError("Invalid qos")
        return good(folder, parameters, commands)

    monkeypatch.setattr(submission, "send", refuse_the_third)
    monkeypatch.setattr(slurm, "cancel", lambda numbers: cancelled.extend(numbers))
    with pytest.raises(slurm.SlurmError, match="Invalid qos"):
        Submission("fxs", tiny.make_home(tmp_path), print).submit()
    assert cancelled == ["1", "2"] and [job.number for job in state.read(tmp_path, "fxs").jobs] == ["1", "2"]


def test_jobs_left_over_from_a_dead_parent_are_removed(tmp_path, queue, monkeypatch):
    config, cancelled = tiny.make_home(tmp_path), []
    Submission("fxs", config, print).submit()
    orphan = lambda numbers: {number: [slurm.Job(number, "PENDING", "DependencyNeverSatisfied")] for number in numbers}  # noqa: E731
    monkeypatch.setattr(slurm, "jobs", orphan)
    monkeypatch.setattr(slurm, "cancel", lambda numbers: cancelled.extend(numbers))
    Submission("fxs", config, print).submit()
    assert cancelled == ["1", "2", "3", "4", "5"] and len(queue) == 10


def test_iterations_over_several_jobs(tmp_path, queue, monkeypatch):
    config = small_crystal.make_home(tmp_path, "[slurm:low-res-emc]\nparts = 3\nntasks = 4\n")
    monkeypatch.setattr(submission, "refuse_missing_inputs", lambda row, config: None)
    jobs = Submission("emc", config, print).submit("low-res-emc", "move-recon-files")
    assert [(job.stage, job.role) for job in jobs[:3]] == [("low-res-emc", "part"), ("low-res-emc", "part"), ("low-res-emc", "stage")]
    assert [waits_for(job) for job in queue] == ["", "afterany:1", "afterany:2", "afterok:3"]
    assert [("--continued" in job[2][0], "--requeue" in job[2][0]) for job in queue[:3]] == [(True, False), (True, False), (False, False)]
    assert queue[0][1]["additional_parameters"]["ntasks"] == "4" and queue[3][1]["additional_parameters"]["ntasks"] == "1"


def test_stages_that_need_nothing_of_each_other_do_not_wait(tmp_path, queue, monkeypatch):
    config = small_crystal.make_home(tmp_path)
    (tmp_path / "aux").mkdir()
    (tmp_path / "aux/basis-vec.dat").touch()
    jobs = {job.stage: job for job in Submission("emc", config, print).submit()}
    assert jobs["make-quaternion"].after == "" and jobs["make-sym-op"].after == ""
    needed = {jobs[name].number for name in ("make-detector", "make-background", "make-quaternion")}
    assert set(jobs["orient-peak"].after.split(", ")) == needed


def test_a_missing_input_ends_the_submission(tmp_path, queue):
    config = small_crystal.make_home(tmp_path)
    with pytest.raises(InputFileError, match="make-sym-op: .*basis-vec.dat is missing; put it there"):
        Submission("emc", config, print).submit("make-sym-op", "make-sym-op")
    assert queue == []


def test_another_config_is_another_chain(tmp_path, queue):
    config = tiny.make_home(tmp_path)
    jobs = Submission("fxs", replace(config, settings_names={"extract": "tiny"}), print).submit()
    assert [job.stage for job in jobs] == ["extract"]
