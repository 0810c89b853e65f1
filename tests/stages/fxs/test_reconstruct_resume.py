"""reconstruct is reproducible bit by bit, and survives kill -9 at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import particle
import pytest

from fxs_hpc.errors import InputFileError, SettingsError, UsageError
from fxs_hpc.files import atomic, data_h5
from fxs_hpc.files.lock import locked
from fxs_hpc.stages.fxs import phasing_worker, reconstruct
from fxs_hpc.stages.fxs.finished import finished

CONFIG = "home_dir = .\n[run]\nthreads = {threads}\nprecision = double\n"


def arrays(path: Path) -> dict[str, np.ndarray]:
    """All data sets but the run time."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return {name: value for name, value in found.items() if name != "stats/run_time"}


def assert_identical(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].tobytes() == value.tobytes(), name


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(("checkpoint", ".")) and path.name != ".lock")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Arrays of a run with seed 7 in one process without interruption."""
    home = particle.make_home(tmp_path_factory.mktemp("unbroken"))
    return arrays(particle.run(home, seed=7) / "data.h5")


@pytest.fixture
def home(tmp_path):
    return particle.make_home(tmp_path)


@pytest.fixture
def every_operation(monkeypatch):
    """A checkpoint after every operation of the schedule."""
    monkeypatch.setattr(phasing_worker, "CHECKPOINT_SECONDS", 0.0)


def in_child(body) -> int:
    """Run `body` in a forked process; returns the signal that ended it (0: none)."""
    child = os.fork()
    if child == 0:
        try:
            body()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(number: int, home: Path, function: str) -> bool:
    """Run in a child that kills itself before call `number` of os.`function` (a step of writing a file); tells if it came to that."""
    calls, original = iter(range(10**6)), getattr(os, function)

    def body() -> None:
        setattr(atomic.os, function, lambda *given: die() if next(calls) == number else original(*given))
        particle.run(home, seed=7)

    return in_child(body) == signal.SIGKILL


def test_same_seed_same_bits(home, unbroken, every_operation):
    assert_identical(arrays(particle.run(home, seed=7) / "data.h5"), unbroken)


def test_another_seed_another_result(home, unbroken):
    found = arrays(particle.run(home, seed=8) / "data.h5")
    name = "reconstruction_results/0/initial_density"
    assert not np.array_equal(found[name], unbroken[name])


def test_seed_auto_is_the_number_of_the_run(home):
    first, second = (arrays(particle.run(home) / "data.h5") for _ in range(2))
    name = "reconstruction_results/0/last_real_density"
    assert not np.array_equal(first[name], second[name])
    again = arrays(particle.run(home, seed=1) / "data.h5")
    assert_identical(again, second)


def test_reconstruction_does_not_depend_on_how_many_there_are(home, unbroken):
    found = arrays(particle.run(home, seed=7, multi_process__n_parallel_reconstructions=1) / "data.h5")
    for name in (name for name in found if name.startswith("reconstruction_results/0")):
        np.testing.assert_array_equal(found[name], unbroken[name])


def test_two_processes_give_what_one_gives(home, unbroken):
    assert_identical(arrays(particle.run(home, seed=7, threads=2) / "data.h5"), unbroken)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_killed_while_a_file_is_written(home, unbroken, every_operation, function):
    """At every 18th write: settings.yaml, checkpoints, data.h5, before its bytes are safe or before it gets its name."""
    for number in range(2, 60, 18):
        if not killed_at(number, home, function):
            break
        folder = particle.run(home, seed=7, resume=True)
        assert_identical(arrays(folder / "data.h5"), unbroken)
        assert leftovers(folder) == []
    assert number > 30


def test_killed_at_any_moment(home, unbroken, every_operation):
    moments = np.random.default_rng(5).uniform(0.02, 0.3, 3)
    for moment in moments:

        def body(moment: float = moment) -> None:
            signal.signal(signal.SIGALRM, lambda *_: die())
            signal.setitimer(signal.ITIMER_REAL, moment)
            particle.run(home, seed=7)

        if in_child(body) == 0:
            continue
        try:
            folder = particle.run(home, seed=7, resume=True)
        except UsageError:  # killed before the run had begun
            continue
        assert_identical(arrays(folder / "data.h5"), unbroken)


def test_killed_again_and_again(home, unbroken, every_operation):
    """Each attempt gets a little further."""
    assert killed_at(5, home, "replace")
    for _ in range(3):

        def body() -> None:
            calls, original = iter(range(10**6)), os.replace
            atomic.os.replace = lambda *given: die() if next(calls) == 7 else original(*given)
            particle.run(home, seed=7, resume=True)

        assert in_child(body) == signal.SIGKILL
    assert_identical(arrays(particle.run(home, seed=7, resume=True) / "data.h5"), unbroken)


def test_killed_within_data_h5(home, unbroken):
    def body() -> None:
        original, calls = data_h5._write, iter(range(10))
        data_h5._write = lambda *given: original(*given) if next(calls) == 0 else die()
        particle.run(home, seed=7)

    assert in_child(body) == signal.SIGKILL
    folder = home / "data/fxs/reconstructions/3d_blobs/1_2_2030/run_0"
    assert not (folder / "data.h5").exists()
    assert particle.run(home, seed=7, resume=True) == folder
    assert_identical(arrays(folder / "data.h5"), unbroken)
    assert leftovers(folder) == []


def test_killed_before_the_checkpoints_are_gone(home, unbroken):
    """data.h5 is there; the folder still holds checkpoints. Resuming must neither fail nor change the result."""

    def body() -> None:
        Path.unlink = lambda path, missing_ok=False: die() if path.name.startswith("checkpoint_") else None
        particle.run(home, seed=7)

    assert in_child(body) == signal.SIGKILL
    folder = particle.run(home, seed=7, resume=True)
    assert_identical(arrays(folder / "data.h5"), unbroken)
    assert leftovers(folder) == []


def interrupted(home: Path, every_operation: None = None, **changes) -> Path:
    """A run that was killed in the middle of its second reconstruction."""
    calls, original = iter(range(10**6)), os.replace

    def body() -> None:
        atomic.os.replace = lambda *given: die() if next(calls) == 36 else original(*given)
        particle.run(home, **{"seed": 7, **changes})

    assert in_child(body) == signal.SIGKILL
    return home / "data/fxs/reconstructions/3d_blobs/1_2_2030/run_0"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"particle_radius": 55}, "particle_radius"),
        ({"projections__real__shrink_wrap__sigmas": [9, 9]}, r"projections\.real\.shrink_wrap\.sigmas"),
        ({"main_loop__sub_loops__main__iterations": 3}, r"main_loop\.sub_loops\.main\.iterations"),
        ({"precision": "single"}, "precision .double then, single now"),
        ({"seed": 8}, r"seed .7 then, 8 now"),
    ],
)
def test_other_settings_are_refused(home, every_operation, changes, named):
    folder = interrupted(home)
    with pytest.raises(SettingsError, match=named):
        particle.run(home, **{"seed": 7, "resume": True, **changes})
    assert not (folder / "data.h5").exists() and list(folder.glob("checkpoint_*.h5"))


def test_other_invariants_are_refused(home, every_operation):
    interrupted(home)
    particle.make_home(home, particle.invariants(1.01))
    with pytest.raises(SettingsError, match="3d_blobs.h5"):
        particle.run(home, seed=7, resume=True)


def test_what_does_not_matter_may_change(home, unbroken, every_operation):
    interrupted(home)
    found = arrays(particle.run(home, seed=7, resume=True, multi_process__n_parallel_reconstructions=3) / "data.h5")
    assert {"reconstruction_results/0/main", "reconstruction_results/2"} <= {"reconstruction_results/0/main", *_groups(found)}
    for name in (name for name in unbroken if name.startswith("reconstruction_results")):
        np.testing.assert_array_equal(found[name], unbroken[name])


def _groups(found: dict) -> set[str]:
    return {"/".join(name.split("/")[:2]) for name in found}


def test_a_checkpoint_of_another_run_is_refused(home, every_operation):
    folder = interrupted(home)
    with h5py.File(folder / "checkpoint_1.h5", "r+") as file:
        file.attrs["fingerprint"] = "0" * 16
    said = []
    particle.run(home, seed=7, resume=True, say=said.append)
    assert any("checkpoint_1.h5" in line and "without --resume" in line for line in said)


def test_nothing_to_resume_begins_a_run(home):
    said = []
    assert particle.run(home, resume=True, say=said.append).name == "run_0"
    assert any("a new run" in line for line in said)


def test_what_is_finished_is_known_by_settings_and_inputs(home, every_operation):
    """A run counts as done only with the same settings and the same invariants, and when it is complete."""
    assert finished("reconstruct", *particle.stage(home, seed=7)) is None
    unfinished = interrupted(home)
    assert finished("reconstruct", *particle.stage(home, seed=7)) is None
    folder = particle.run(home, seed=7, resume=True)
    assert folder == unfinished and finished("reconstruct", *particle.stage(home, seed=7)) == folder
    assert finished("reconstruct", *particle.stage(home, seed=8)) is None
    assert finished("reconstruct", *particle.stage(home, precision="single", seed=7)) is None
    particle.make_home(home, particle.invariants(scale=1.01))
    assert finished("reconstruct", *particle.stage(home, seed=7)) is None


def test_a_new_run_leaves_an_unfinished_one_alone(home, unbroken, every_operation):
    folder = interrupted(home)
    assert particle.run(home, seed=8).name == "run_1"
    assert particle.run(home, seed=7, resume=True) == folder
    assert_identical(arrays(folder / "data.h5"), unbroken)


def test_second_writer_is_refused(home, every_operation):
    folder = interrupted(home)
    with locked(folder), pytest.raises(UsageError, match="another process is writing there .*process"):
        particle.run(home, seed=7, resume=True)
    assert particle.run(home, seed=7, resume=True) == folder


def test_leftover_temporary_files_are_removed(home):
    folder = home / "data/fxs/reconstructions/3d_blobs/1_2_2030/run_0"
    folder.mkdir(parents=True)
    for name in (".checkpoint_0.77.tmp.h5", ".data.77.tmp.h5"):
        (folder / name).write_bytes(b"cut off")
    folder = particle.run(home, seed=7)
    assert (folder / "data.h5").exists()


def test_a_checkpoint_that_is_none_is_named(tmp_path):
    path = tmp_path / "checkpoint_0.h5"
    path.write_bytes(b"\x89HDF")
    with pytest.raises(InputFileError, match="checkpoint_0.h5.*delete it"):
        reconstruct.read_checkpoint(path)


def command(home: Path, *options: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "fxs_hpc", "fxs", "reconstruct", str(home / "blobs.yaml"), *options]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True, "cwd": home}
    return subprocess.Popen(words, **quiet)


def test_kill_of_the_whole_process_group(home):
    """The command line with two worker processes, killed in the middle of the work, continues with --resume and ends the same."""
    loops = {"main_loop__sub_loops__main__iterations": 12, "multi_process__n_parallel_reconstructions": 4, "seed": 7}
    (home / "config.ini").write_text(CONFIG.format(threads=2))
    particle.stage(home, **loops)
    process = command(home)
    folder = home / "data/fxs/reconstructions/3d_blobs"
    deadline = time.monotonic() + 60
    while not list(folder.glob("*/run_0/checkpoint_*.h5")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(folder.glob("*/run_0/data.h5"))
    resumed = command(home, "--resume")
    text, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, text
    found = next(folder.glob("*/run_0/data.h5"))
    assert_identical(arrays(found), arrays(particle.run(home, **loops) / "data.h5"))
