"""Both halves through the stages on the grid by one command."""

import json
import shutil
import subprocess
import sys

import pytest
import small_crystal_run
from click.testing import CliRunner
from small_reconstruction import context, results

from fxs_hpc.cli.main import main
from fxs_hpc.errors import DataError, UsageError
from fxs_hpc.files.emc import phi
from fxs_hpc.stages.emc import (
    cal_cc,
    grid_halves,
    local_update,
    low_res_emc,
    move_high_recon_files,
    move_recon_files,
    refine_orientations,
    rej_frames,
    resolution,
    setup_ematrix,
    setup_intens,
    setup_quat,
    split_data,
)
from fxs_hpc.stages.emc.finished_runs import refine_folder
from fxs_hpc.stages.emc.half_context import of_half
from fxs_hpc.stages.emc.row import ROWS
from fxs_hpc.stages.row import Standing

ROW = next(row for row in ROWS if row.name == "resolution")


def copy(source, target):
    """A copy of a working directory; its paths are relative."""
    shutil.copytree(source, target)
    return target


def unlike(home):
    """A context whose --set says how the halves are made."""
    return context(home, resolution_method="grid")


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """Reduced frames and everything that low-res-emc reads."""
    home = tmp_path_factory.mktemp("front") / "work"
    small_crystal_run.make(home)
    return home


@pytest.fixture(scope="module")
def whole(front, tmp_path_factory):
    """Both halves in one go, by the command line."""
    home = copy(front, tmp_path_factory.mktemp("whole") / "work")
    answer = CliRunner().invoke(main, ["emc", "resolution", str(home / "config.ini"), "--method", "grid"])
    assert answer.exit_code == 0, answer.output
    return home


def test_it_is_the_documents_way(front, whole, tmp_path):
    """Half A by hand, stage after stage with config-A.ini, gives the same bits."""
    home = copy(front, tmp_path / "work")
    split_data.run(context(home))
    own = lambda: context(home, name="config-A.ini")  # noqa: E731
    low_res_emc.run(own(), 2, until_converged=True)
    for stage in (move_recon_files, rej_frames, setup_quat, setup_intens, setup_ematrix):
        stage.run(own())
    local_update.run(own(), 2, until_converged=True)
    move_high_recon_files.run(own())
    by_hand, found = results(home), results(whole)
    logs = ("run.log", "EMC.log")
    own_files = {name: content for name, content in found.items() if "-A-0/" in name and not name.endswith(logs)}
    assert own_files == {name: content for name, content in by_hand.items() if not name.endswith(logs)}
    names = {name.split("/")[0] for name in found}
    assert names == {f"{kind}-recon-{half}-0" for kind in ("low-res", "high-res") for half in "AB"}
    assert {"start-phi-A.dat", "start_intensity-A.bin"} < {name.split("/")[-1] for name in own_files}


def test_the_halves_share_nothing(whole):
    one, other = (whole / f"Data/high-prob/low-res-recon-{half}-0" for half in "AB")
    assert (one / "start_intensity-A.bin").read_bytes() != (other / "start_intensity-B.bin").read_bytes()
    assert len(phi.read(one / "start-phi-A.dat")) == 27 and len(phi.read(other / "start-phi-B.dat")) == 26
    assert (whole / "cal-CC/cc.dat").exists() and (whole / "cal-CC/merged.mtz").exists()


def test_a_run_that_is_cut_off_goes_on_to_the_same_bits(front, whole, tmp_path, monkeypatch):
    """Cut off before the end of a step is noted, again and again: the step is begun anew, or found done."""
    home = copy(front, tmp_path / "work")
    note, cuts = grid_halves._note, ["A low-res-emc", "A move-recon-files", "B setup-Ematrix", "B local-update"]

    def cut(made, done, name):
        if name in cuts:
            cuts.remove(name)
            raise DataError(f"cut off in {name}")
        note(made, done, name)

    monkeypatch.setattr(grid_halves, "_note", cut)
    while cuts:
        with pytest.raises(DataError, match=f"cut off in {cuts[0]}"):
            resolution.run(context(home), resume=True, method="grid")
    resolution.run(context(home), resume=True, method="grid")
    found, expected = ({name: content for name, content in results(folder).items() if name[-4:] != ".log"} for folder in (home, whole))
    assert found == expected
    assert (home / "cal-CC/merged.hkl").read_bytes() == (whole / "cal-CC/merged.hkl").read_bytes()


def test_it_stops_before_the_time_is_over_and_says_how_far_it_has_come(front, whole, tmp_path):
    home = copy(front, tmp_path / "work")
    made = unlike(home)
    assert resolution.standing(made.config).words == "not begun"
    resolution.run(made, time_limit=1)
    notes = json.loads((home / grid_halves.NOTES).read_text())["finished"]
    assert notes == ["split-data"] and any("the time is nearly over" in line for line in made.said)
    assert (home / "Data/high-prob/iter_flag-1").exists()
    with pytest.raises(UsageError, match=r"iter_flag-\d is there already. `--resume` goes on"):
        resolution.run(made)
    halfway = resolution.standing(made.config)
    assert not halfway.done and 0 <= halfway.made < halfway.wanted == 8
    complete = resolution.standing(unlike(whole).config)
    assert complete.done and (complete.made, complete.wanted) == (8, 8) and "18 of 18" in complete.words
    assert ROW.standing(unlike(whole).config.run) == complete and ROW.resumable and "--resume" in ROW.words(unlike(whole).config.run)


def test_begun_anew_it_starts_from_the_peaks_again(whole, tmp_path, monkeypatch):
    """A second run finds start files put away, or with the rejected frames of the first; half A alone is looked at."""
    monkeypatch.setattr(grid_halves, "HALVES", ("A",))
    home = copy(whole, tmp_path / "work")
    shutil.copy(home / "Data/high-prob/high-res-recon-A-0/start-phi-A.dat", home / "aux/start-phi-A.dat")
    grid_halves.run(unlike(home), lambda made: None)
    for kind in ("low-res", "high-res"):
        one, other = (home / f"Data/high-prob/{kind}-recon-A-{number}" for number in (0, 1))
        assert (one / "iter_flag-1/merged.hkl").read_bytes() == (other / "iter_flag-1/merged.hkl").read_bytes()


def test_plan_is_that_of_the_engine_that_will_run(front):
    assert resolution.plan(unlike(front)) == low_res_emc.plan(context(front))
    assert resolution.plan(context(front)) == refine_orientations.plan(context(front))


def test_new_data_make_it_begin_again(whole, tmp_path):
    home = copy(whole, tmp_path / "work")
    assert resolution.standing(unlike(home).config).done
    (home / "Data/mpi-datafile.h5").touch()
    assert resolution.standing(unlike(home).config).words == "not begun"


@pytest.mark.mpi
def test_two_ranks_give_the_same_intensities(front, whole, tmp_path, mpirun):
    home = copy(front, tmp_path / "work")
    words = ["emc", "resolution", str(home / "config.ini"), "--set", "resolution_method=grid"]
    command = [*mpirun(2), sys.executable, "-m", "fxs_hpc", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (home / "cal-CC/merged.hkl").read_bytes() == (whole / "cal-CC/merged.hkl").read_bytes()


def test_better_intensities_of_all_frames_are_not_overwritten(whole, tmp_path):
    home = copy(whole, tmp_path / "work")
    source = home / "Data/high-prob/high-res-recon-A-0/iter_flag-2/merged.hkl"
    better = refine_folder(context(home).config) / "iter_flag-1/merged.hkl"
    better.parent.mkdir(parents=True)
    shutil.copy(source, better)
    before = (home / "cal-CC/merged.hkl").read_bytes()
    resolution.run(unlike(home), resume=True)
    assert (home / "cal-CC/merged-high-res-recon.hkl").read_bytes() == before
    cal_cc.run(context(home), kind="off-grid")
    assert (home / "cal-CC/merged.hkl").read_bytes() != before


def test_standing_off_the_grid_is_that_of_its_rounds_and_of_the_comparison(front, tmp_path):
    home = copy(front, tmp_path / "work")
    made = context(home, refine_rounds=1)
    assert not resolution.standing(made.config).done
    split_data.run(made)
    refine_orientations.run(of_half(made, "A"), 1)
    assert resolution.standing(made.config) == Standing(False, "1 rounds of the halves, not compared", 1, 2)
    resolution.run(made, resume=True)
    assert resolution.standing(made.config) == Standing(True, "2 rounds of the halves", 2, 2)
    (home / "Data/mpi-datafile.h5").touch()
    assert not resolution.standing(made.config).done
