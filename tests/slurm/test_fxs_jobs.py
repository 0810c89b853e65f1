"""FXS on a real SLURM: what a user has to expect of a night, and of what goes wrong in it."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tiny
from console import Console

pytestmark = pytest.mark.slurm
SMALL = "cpus = 1\nmem = 800M\ntime = 10\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory, slurm):
    """A working directory in which correlations and invariants are there already."""
    home = tmp_path_factory.mktemp("made")
    tiny.make_home(home, SMALL)
    console = Console(home, slurm)
    console("run", "fxs", "--to", "extract")
    return home


@pytest.fixture
def console(tmp_path, slurm):
    def begin(keys: str = "", copied: Path | None = None) -> Console:
        if copied:
            shutil.copytree(copied / "data", tmp_path / "data", symlinks=True)
        tiny.make_home(tmp_path, SMALL + keys)
        return Console(tmp_path, slurm)

    return begin


def result(home: Path) -> dict[str, np.ndarray]:
    """Last densities of the newest data.h5."""
    path = max(home.glob("data/fxs/reconstructions/*/*/run_*/data.h5"), key=lambda path: path.stat().st_mtime)
    with h5py.File(path) as file:
        return {name: group["last_real_density"][()] for name, group in file["reconstruction_results"].items()}


def test_the_whole_chain_with_phasing_as_an_array_on_gpus(console):
    call = console("[slurm:reconstruct]\ngres = gpu:1\ntasks = 2\n")
    said = call("submit", "fxs")
    assert "reconstruct: job" in said and "with 2 tasks" in said
    again = call("submit", "fxs", code=2)
    assert "is submitted already" in again
    assert "is submitted already" in call("resume", code=2)
    states = call.states()
    assert states["average"] == "waits for the stages before it"
    call.wait()
    assert set(call.states().values()) == {"done"}
    assert "3 of 3 reconstructions finished" in call("logs", "reconstruct")
    assert "nothing is left to do" in call("submit", "fxs")
    pickled = b"".join(path.read_bytes() for path in call.home.glob("jobs/*/*_submitted.pkl"))
    ours = {name.decode() for name in re.findall(rb"fxs_hpc\.[\w.]+", pickled)}
    assert ours == {"fxs_hpc.cluster.job"}, "nothing of ours is pickled but the name of a function"
    scripts = sorted(path.name for path in call.home.glob("jobs/*/*_submission.sh"))
    assert len(scripts) == 5, "every submitted script is kept"
    array = next(path for path in call.home.glob("jobs/reconstruct/*_submission.sh") if "--array" in path.read_text())
    assert "#SBATCH --gres=gpu:1" in array.read_text()
    split = result(call.home)
    # The same computed in one go, in a directory of its own.
    alone = Console(call.home / "alone", call.environment)
    tiny.make_home(alone.home, SMALL)
    (alone.home / "data/fxs").mkdir(parents=True)
    for name in ("ccd", "invariants"):
        (alone.home / "data/fxs" / name).symlink_to(call.home / "data/fxs" / name)
    alone("run", "fxs", "--from", "reconstruct", "--to", "reconstruct")
    together = result(alone.home)
    assert split.keys() == together.keys()
    assert all(split[name].tobytes() == together[name].tobytes() for name in split)


def test_a_task_that_fails_does_not_lose_the_others(made, console):
    call = console('[slurm:reconstruct]\ntasks = 2\nsetup = test "$SLURM_ARRAY_TASK_ID" != 1\n', made)
    call("submit", "fxs", "--from", "reconstruct", "--to", "reconstruct")
    call.wait()
    assert "2 of 3 reconstructions finished" in call("logs", "reconstruct")
    assert len(result(call.home)) == 2
    status = call("status")
    assert "failed" in status and "2 of 3" in status and "fxs-hpc resume" in status
    tiny.make_home(call.home, SMALL + "[slurm:reconstruct]\ntasks = 2\n")
    call("resume")
    call.wait()
    assert call.states() == {"reconstruct": "done"} and len(result(call.home)) == 3


def test_a_failed_parent_leaves_nobody_waiting(made, console):
    call = console("[slurm:reconstruct]\nsetup = false\n", made)
    call("submit", "fxs", "--from", "reconstruct")
    call.wait()
    states = call.states()
    assert states["reconstruct"].startswith("failed") and states["average"] == "cancelled"
    assert "not all is done and nothing runs" in call("status")


def test_a_drained_node_is_said_and_the_chain_goes_on_after_it(console):
    call = console()
    node = call.slurm("sinfo", "-h", "-o", "%N").strip()
    call.slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    try:
        call("submit", "fxs", "--to", "simulate_ccd")
        call.wait_until("the reason", lambda: "DOWN" in call("status") or "drained" in call("status"))
    finally:
        call.slurm("scontrol", "update", f"nodename={node}", "state=resume")
    call.wait()
    assert call.states() == {"simulate_ccd": "done"}


def test_a_refused_request_is_said_and_leaves_no_job(console):
    call = console("partition = nowhere\n")
    assert "sbatch refused the job" in call("submit", "fxs", code=1)
    assert call.queue() == []
