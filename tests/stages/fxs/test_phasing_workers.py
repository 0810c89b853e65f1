"""Processes and failures of reconstruct: what one reconstruction's end means for the others."""

import multiprocessing
import os
import signal
import threading
import time

import h5py
import numpy as np
import particle
import pytest

from fxs_hpc.errors import NumericalError
from fxs_hpc.fluctuation import phasing
from fxs_hpc.stages.fxs import phasing_problem, reconstruct, workers

LONG = {"main_loop__sub_loops__main__iterations": 20, "seed": 3}


@pytest.fixture
def home(tmp_path):
    return particle.make_home(tmp_path)


def keys(folder) -> list[str]:
    with h5py.File(folder / "data.h5") as file:
        return sorted(file["reconstruction_results"])


def breaking(numbers, monkeypatch) -> None:
    """Let the reconstructions `numbers` start from nothing, which has no phases."""
    original = phasing_problem.Problem.start

    def start(self, number):
        return original(self, number) * (number not in numbers)

    monkeypatch.setattr(phasing_problem.Problem, "start", start)


def test_one_failing_leaves_the_others(home, monkeypatch):
    breaking({1}, monkeypatch)
    said = []
    folder = particle.run(home, say=said.append, multi_process__n_parallel_reconstructions=3)
    assert keys(folder) == ["0", "2"]
    assert any("P1: failed" in line and "step 1" in line for line in said)
    assert any("2 of 3 reconstructions finished; failed: 1" in line for line in said)
    assert not any("--resume" in line for line in said) and not list(folder.glob("checkpoint*"))


def test_all_failing_is_an_error(home, monkeypatch):
    breaking({0, 1}, monkeypatch)
    with pytest.raises(NumericalError, match="none of the reconstructions finished"):
        particle.run(home)


def worker_pids() -> list[int]:
    return [child.pid for child in multiprocessing.active_children()]


def test_killed_worker_is_reported_and_resumed(home):
    """The others finish in the process that is left; --resume then adds the one that is missing, and the result is as unbroken."""
    several = {"multi_process__n_parallel_reconstructions": 3, **LONG}
    expected = particle.run(particle.make_home(home / "other"), **several)
    said: list[str] = []

    def kill() -> None:
        while not said or not any("P" in line and "main Loop" in line for line in said):
            time.sleep(0.02)
        os.kill(worker_pids()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    folder = particle.run(home, threads=2, say=said.append, **several)
    killer.join()
    died = [line for line in said if "its process died" in line]
    assert len(died) == 1 and "SIGKILL" in died[0] and "--resume" in died[0]
    assert len(keys(folder)) == 2
    assert any("2 of 3 reconstructions finished" in line for line in said)
    assert particle.run(home, resume=True, **several) == folder
    assert keys(folder) == ["0", "1", "2"] and not list(folder.glob("checkpoint*"))
    with h5py.File(folder / "data.h5") as found, h5py.File(expected / "data.h5") as whole:
        for key in keys(folder):
            name = f"reconstruction_results/{key}/last_real_density"
            np.testing.assert_array_equal(found[name][()], whole[name][()])


def test_all_workers_killed_is_an_error_and_resumable(home):
    several = {"multi_process__n_parallel_reconstructions": 3, **LONG}
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            for pid in worker_pids():
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    said: list[str] = []
    try:
        with pytest.raises(NumericalError, match="none"):
            particle.run(home, threads=2, say=said.append, **several)
    finally:
        stop.set()
        killer.join()
    assert sum("P" in line and "failed" in line for line in said) == 3
    assert keys(particle.run(home, resume=True, **several)) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("given", "threads", "wanted"), [(True, 2, 4), (False, 2, 4), (True, 9, 9), (False, 9, 9), (1, 9, 1), (57, 2, 57)]
)
def test_number_wanted(home, given, threads, wanted):
    settings, _ = particle.stage(home, multi_process__n_parallel_reconstructions=given)
    assert reconstruct.number_wanted(settings, threads) == wanted


def test_processes_are_limited_by_cores_work_and_memory(home, monkeypatch):
    settings, _ = particle.stage(home)
    assert reconstruct.processes_for(settings, 10, 4, 10**8) == 4
    assert reconstruct.processes_for(settings, 3, 4, 10**8) == 3
    monkeypatch.setattr(reconstruct, "available_memory", lambda: 1_000_000_000)
    assert reconstruct.processes_for(settings, 10, 4, 400_000_000) == 2
    assert reconstruct.processes_for(settings, 10, 4, 40_000_000_000) == 1
    alone, _ = particle.stage(home, multi_process__use=False)
    assert reconstruct.processes_for(alone, 10, 4, 10**6) == 1


def test_without_processes_everything_is_saved(home, monkeypatch):
    monkeypatch.setattr(workers, "_run_pool", lambda *given: pytest.fail("no process was wanted"))
    assert keys(particle.run(home, threads=2, multi_process__use=False)) == ["0", "1"]


def test_number_of_workers_and_blas_threads_are_said(home):
    said = []
    particle.run(home, say=said.append)
    assert any("2 reconstructions, 1 at a time, one core (and one BLAS thread) each" in line for line in said)


def test_a_step_that_is_not_a_number_names_block_and_step():
    class Broken:
        def step(self, update):
            return float("nan")

    operations = phasing_problem.schedule.schedule(
        [
            phasing_problem.schedule.Block(
                "coarse",
                [phasing_problem.schedule.Method("ER", 1)],
                1,
                lambda _: 0.5,
                lambda _: 0.9,
                lambda _: 1.0,
                lambda _: 0.1,
                frozenset(),
            )
        ]
    )
    with pytest.raises(NumericalError, match="block 'coarse', step 1"):
        list(phasing.run(Broken(), operations, phasing.Rules(np.ones(3)), phasing.Progress()))
