"""Reconstructions split over tasks that know nothing of each other."""

import math

import h5py
import numpy as np
import particle
import pytest
import test_reconstruct_resume as whole

from fxs_hpc.errors import InputFileError, NumericalError, UsageError
from fxs_hpc.files.lock import in_turn, locked, shared
from fxs_hpc.stages.fxs import phasing_worker, reconstruct, shares
from fxs_hpc.stages.fxs.finished import finished

COUNT = {"multi_process__n_parallel_reconstructions": 3}


@pytest.fixture
def home(tmp_path):
    return particle.make_home(tmp_path)


def run_share(home, share, of, **options):
    return shares.run(*particle.stage(home, **COUNT, **options), share, of)


def collect(home, **options):
    return shares.collect(*particle.stage(home, **COUNT, **options))


def results(folder) -> int:
    with h5py.File(folder / "data.h5") as file:
        return len(file["reconstruction_results"])


@pytest.mark.parametrize("of", [2, 3])
def test_the_split_does_not_change_a_bit(home, tmp_path, of):
    folders = {run_share(home, share, of) for share in reversed(range(of))}
    assert folders == {collect(home)}
    other = particle.make_home(tmp_path / "other")
    expected = whole.arrays(particle.run(other, seed=0, **COUNT) / "data.h5")
    whole.assert_identical(whole.arrays(folders.pop() / "data.h5"), expected)
    assert finished("reconstruct", *particle.stage(home, **COUNT))


def test_what_a_lost_task_leaves_out_is_said_and_can_be_made_up(home):
    said = []
    run_share(home, 0, 3)
    run_share(home, 2, 3)
    settings, context = particle.stage(home, **COUNT)
    assert shares.standing(settings, context)[0] == 2
    folder = collect(home, say=said.append)
    assert "  2 of 3 reconstructions finished" in said and any("P1 is missing" in line for line in said)
    assert results(folder) == 2
    assert finished("reconstruct", *particle.stage(home, **COUNT)) is None, "one is missing"
    assert run_share(home, 0, 1) == folder
    assert collect(home) == folder and finished("reconstruct", *particle.stage(home, **COUNT)) == folder
    assert results(folder) == 3
    assert not list(folder.glob("checkpoint_*"))


def test_a_share_that_is_done_is_left_alone(home, monkeypatch):
    run_share(home, 0, 3)
    monkeypatch.setattr(reconstruct, "phase", lambda *arguments: pytest.fail("computed again"))
    said = []
    run_share(home, 0, 3, say=said.append)
    assert any("all done before" in line for line in said)


def test_a_reconstruction_that_breaks_down_does_not_lose_the_others(home, monkeypatch):
    def broken(problem, number, *rest):
        if number == 1:
            raise NumericalError("NaN in the density")
        return whole_reconstruct(problem, number, *rest)

    whole_reconstruct = phasing_worker.reconstruct
    monkeypatch.setattr("fxs_hpc.stages.fxs.workers.reconstruct", broken)
    with pytest.raises(NumericalError, match="1 of 3"):
        run_share(home, 0, 1)
    said = []
    folder = collect(home, say=said.append)
    assert "  P1 is missing: NaN in the density" in said
    assert finished("reconstruct", *particle.stage(home, **COUNT)) == folder, "nothing is left that could be made"


def test_other_settings_get_another_folder(home):
    first = run_share(home, 0, 3)
    second = run_share(home, 0, 3, particle_radius=55)
    assert first != second


def test_nothing_to_collect(home):
    with pytest.raises(InputFileError, match="none was begun"):
        collect(home)
    assert shares.standing(*particle.stage(home, **COUNT)) == (0, math.inf)


def test_every_number_belongs_to_one_share():
    numbers = [number for share in range(4) for number in shares.share_of(10, share, 4)]
    assert sorted(numbers) == list(np.arange(10))


def test_sharers_keep_out_one_who_wants_all(tmp_path):
    with shared(tmp_path), shared(tmp_path):
        with pytest.raises(UsageError), locked(tmp_path):
            pass
    with in_turn(tmp_path), pytest.raises(UsageError), shared(tmp_path):
        pass
