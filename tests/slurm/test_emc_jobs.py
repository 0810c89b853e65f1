"""EMC as MPI jobs on a real SLURM: the whole chain, cancelled in the middle, put back into the queue when its time is up."""

import sys
from pathlib import Path

import pytest
from console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "stages" / "emc"))
import reference_run
import small_crystal

from fxs_hpc.emc import quaternions
from fxs_hpc.files.emc import quaternions as quaternion_file

pytestmark = pytest.mark.slurm
NEEDED = (
    "make-detector/rec-vectors.bin",
    "make-detector/rec2pix-map.bin",
    "aux/sym-op.dat",
    "aux/prob-orien.bin",
    "aux/start-phi.dat",
    "reduce-data/reduced-data_id.dat",
    *("Data/mpi-datafile.bin", "Data/mpi-bg_model.bin", "Data/mpi-r2peak-low.bin", "Data/mpi-peak2r-low.bin"),
)
ENDLESS = 100_000


@pytest.fixture(scope="module")
def reduced(tmp_path_factory, reference_data) -> Path:
    """What low-res-emc reads, from the reference run."""
    home = tmp_path_factory.mktemp("reduced")
    source = reference_data / "emc"
    reference_run.config(source, home)
    for name in NEEDED:
        reference_run.unpack(source, home, name)
    quaternion_file.write(home / "aux/c-quaternion17.bin", quaternions.sample_count(17), quaternions.blocks(17))
    return home


@pytest.fixture
def console(tmp_path, slurm, reduced):
    def begin(iterations: int, keys: str) -> Console:
        for folder in ("Data", "aux", "make-detector", "reduce-data"):
            (tmp_path / folder).mkdir()
            for path in (reduced / folder).iterdir():
                (tmp_path / folder / path.name).symlink_to(path)
        write_config(tmp_path, reduced, iterations, keys)
        return Console(tmp_path, slurm)

    return begin


def write_config(home: Path, reduced: Path, iterations: int, keys: str) -> None:
    text = (reduced / "config.ini").read_text().replace(str(reduced), str(home))
    chain = f"low_res_iterations = {iterations}\nconvergence_angle = 0\n"
    (home / "config.ini").write_text(f"{text}\n{chain}[slurm]\nntasks = 2\ncpus = 1\nmem = 2G\n{keys}\n")


def flags(home: Path) -> set[str]:
    """Complete iter_flag folders."""
    return {path.name for path in (home / "Data/high-prob").glob("iter_flag-*")}


ONE_STAGE = ("--from", "low-res-emc", "--to", "low-res-emc")


def test_the_whole_chain_from_frames_to_rejection_cancelled_on_its_way(tmp_path, slurm):
    two = "".join(f"[slurm:{stage}]\nntasks = 2\n" for stage in ("orient-peak", "low-res-emc"))
    small_crystal.make_home(tmp_path, f"cpus = 1\nntasks = 1\nmem = 1G\ntime = 10\n{two}")
    call = Console(tmp_path, slurm)
    call("emc", "simulate-frames")
    assert "orient-peak: job" in call("submit", "emc")
    call.wait_until("orient-peak", lambda: call.states("emc")["orient-peak"] in ("running", "done"))
    call("cancel")
    call.wait()
    assert "cancelled" in call.states("emc").values()
    said = call("resume")
    assert "make-detector: done before" in said and "make-background: done before" in said
    call.wait(200)
    assert set(call.states("emc").values()) == {"done"}, call("status")
    assert "2 ranks by" in call("logs", "low-res-emc", "-n", "0")
    assert "nothing is left to do" in call("submit", "emc")


def test_cancelled_in_the_middle_and_resumed(console, reduced):
    call = console(ENDLESS, "time = 10\n")
    call("submit", "emc", *ONE_STAGE)
    call.wait_until("the second iteration", lambda: "iter_flag-4" in flags(call.home))
    assert call.states("emc")["low-res-emc"] == "running"
    call("cancel")
    call.wait()
    assert call.states("emc")["low-res-emc"] == "cancelled"
    before = flags(call.home)
    goal = len(before) // 2 + 2
    write_config(call.home, reduced, goal, "time = 10\n")
    call("resume")
    call.wait()
    assert call.states("emc") == {"low-res-emc": "done"}
    said = call("logs", "low-res-emc", "-n", "0")
    assert f"continuing after flag {len(before)}" in said and "2 ranks by" in said
    assert flags(call.home) == {f"iter_flag-{number}" for number in range(1, 2 * goal + 1)}


def test_time_is_up_and_the_job_goes_on_from_the_queue(console):
    call = console(ENDLESS, "time = 1\n")
    call("submit", "emc", *ONE_STAGE)

    def continued() -> bool:
        logs = call.logs()
        return "back in the queue" in logs and "continuing after flag" in logs

    call.wait_until("the second start of the job", continued, longest=150)
    starts = call.slurm("sacct", "-n", "-X", "-D", "-P", "-o", "JobID,State", "-j", call.queue()[0]).splitlines()
    assert any("REQUEUED" in line for line in starts)
    assert call.states("emc")["low-res-emc"] in ("running", "waits to be started again")
    call("cancel")
    call.wait()
    assert "Traceback" not in call.logs()
