"""low-res-emc in its folder: results, resuming, refusing, stopping, ranks."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fxs_hpc.emc.quaternions import misorientation
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.files.emc import crystfel_hkl, emc_state, hkl_values, intensity, mean_std, phi, probabilities
from fxs_hpc.files.emc import history as history_file
from fxs_hpc.stages.emc import low_res_emc, move_recon_files
from fxs_hpc.stages.emc.flag_folder import flag_folders
from tests.stages.emc import small_reconstruction
from tests.stages.emc.small_reconstruction import context, results


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A working directory before the first iteration, with its start intensity."""
    home = tmp_path_factory.mktemp("begun")
    problem = small_reconstruction.make(home)
    low_res_emc.run(context(home), 1)
    shutil.rmtree(home / "Data/high-prob")
    shutil.rmtree(home / "low-res-emc")
    return home, problem


@pytest.fixture
def home(begun, tmp_path):
    """A fresh copy of it."""
    target = tmp_path / "work"
    shutil.copytree(begun[0], target)
    text = (target / "config.ini").read_text().replace(str(begun[0]), str(target))
    (target / "config.ini").write_text(text)
    return target


@pytest.fixture(scope="module")
def unbroken(begun, tmp_path_factory):
    """Results of three iterations in one go."""
    target = tmp_path_factory.mktemp("unbroken") / "work"
    shutil.copytree(begun[0], target)
    (target / "config.ini").write_text((target / "config.ini").read_text().replace(str(begun[0]), str(target)))
    low_res_emc.run(context(target), 3)
    return target


def test_orientations_and_intensities_come_back(begun, unbroken):
    problem = begun[1]
    folder = unbroken / "Data/high-prob"
    assert list(flag_folders(folder)) == [1, 2, 3, 4, 5, 6]
    hkl, values = hkl_values.read(folder / "iter_flag-5/hkl-val.dat")
    true = problem.model.sums(problem.intensity)
    assert np.array_equal(hkl, problem.reflections.hkl)
    assert np.corrcoef(values, true)[0, 1] > 0.9
    found = probabilities.read_all(folder / "iter_flag-6", 70)
    best = problem.samples[[frame.rotation[0] for frame in found], :4]
    assert np.mean(misorientation(best, problem.samples[problem.true, :4], problem.group.quaternions) < 1e-6) > 0.9
    scale = phi.read(folder / "iter_flag-6/total-phi.dat", 70)
    assert scale.mean() == pytest.approx(1, abs=1e-5)


def test_files_of_a_flag(unbroken):
    folder = unbroken / "Data/high-prob"
    common = {"high_p-0.dat", "high_p-1.dat", "high_p-2.dat", "state.h5"}
    assert {path.name for path in (folder / "iter_flag-5").iterdir()} == common | {
        "finish_intensity.bin", "hkl-val.dat", "intens-mean-std.dat", "merged.hkl"
    }  # fmt: skip
    assert {path.name for path in (folder / "iter_flag-6").iterdir()} == common | {"total-phi.dat"}
    state = emc_state.read(folder / "iter_flag-5/state.h5")
    voxels = intensity.read(folder / "iter_flag-5/finish_intensity.bin", len(state.intensity))
    assert np.array_equal(state.intensity, voxels)
    table = mean_std.read(folder / "iter_flag-5/intens-mean-std.dat")
    assert np.all(table.std > 0) and len(table.number) > 100
    log = (unbroken / "low-res-emc/EMC.log").read_text()
    assert log.startswith("nproc = 1    num_rot = 3240    num_data = 70    num_pix = ")
    assert len(re.findall(r"updating (vox_val takes =|phi takes) \d+ sec, arg_angle =  \d\.\d{5}e[+-]\d\d degrees", log)) == 6
    assert (unbroken / "low-res-emc/run.log").read_text().count("flag ") == 7
    history = history_file.read(folder / "history.jsonl")
    assert [record.flag for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].log_likelihood > history[0].log_likelihood
    assert (folder / "convergence.png").stat().st_size > 1000


def test_resume_gives_the_same_bits(home, unbroken):
    low_res_emc.run(context(home), 1)
    low_res_emc.run(context(home), 3, resume=True)
    assert results(home) == results(unbroken)


def test_resume_after_an_intensity_flag_gives_the_same_bits(home, unbroken):
    low_res_emc.run(context(home), 2)
    shutil.rmtree(home / "Data/high-prob/iter_flag-4")
    low_res_emc.run(context(home), 3, resume=True)
    assert results(home) == results(unbroken)


def test_threads_and_streaming_give_the_same_bits(home, unbroken):
    low_res_emc.run(context(home, threads=3, iter_data_block="auto"), 3)
    assert results(home) == results(unbroken)


def test_incomplete_folder_counts_as_none(home, unbroken):
    low_res_emc.run(context(home), 1)
    half = home / "Data/high-prob/.iter_flag-3.tmp"
    half.mkdir()
    (half / "high_p-7.dat").write_text("cut off")
    low_res_emc.run(context(home), 3, resume=True)
    assert results(home) == results(unbroken)


def test_existing_results_are_never_overwritten(home):
    low_res_emc.run(context(home), 1)
    before = results(home)
    with pytest.raises(UsageError, match=r"iter_flag-2 is there already. `--resume`"):
        low_res_emc.run(context(home), 1)
    assert results(home) == before


def test_resume_with_other_settings_is_refused(home):
    low_res_emc.run(context(home), 1)
    with pytest.raises(UsageError, match=r"What differs: gw: 2.0 there, 1.9 now; prune_margin: 100.0 there, 7.0 now"):
        low_res_emc.run(context(home, gw=1.9, prune_margin=7), 2, resume=True)
    data = home / "Data/mpi-datafile.bin"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)
    with pytest.raises(UsageError, match=r"What differs: mpi_datafile"):
        low_res_emc.run(context(home), 2, resume=True)


def test_manual_resume_of_the_document(home):
    low_res_emc.run(context(home), 1)
    folder = home / "Data/high-prob"
    shutil.copy(folder / "iter_flag-2/total-phi.dat", home / "aux/start-phi.dat")
    shutil.copy(folder / "iter_flag-1/finish_intensity.bin", home / "aux/start_intensity.bin")
    folder.rename(home / "Data/elsewhere")
    low_res_emc.run(context(home), 1)
    assert list(flag_folders(folder)) == [1, 2]


def test_folders_of_another_program_cannot_be_resumed(home):
    (home / "Data/high-prob/iter_flag-4").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"iter_flag-4 has no state.h5.*total-phi.dat"):
        low_res_emc.run(context(home), 4, resume=True)


def test_intensity_alone(home):
    low_res_emc.run(context(home), 2, intensity_only=True)
    assert list(flag_folders(home / "Data/high-prob")) == [1, 3]
    assert np.array_equal(emc_state.read(home / "Data/high-prob/iter_flag-3/state.h5").phi, np.ones(70))


def test_stops_when_converged(home):
    made = context(home, convergence_angle=20)
    low_res_emc.run(made, 50, until_converged=True)
    last = max(flag_folders(home / "Data/high-prob"))
    assert 6 <= last < 20 and made.said[-1] == f"converged at flag {last}"


def test_stops_before_the_time_is_over_and_goes_on(home, unbroken):
    made = context(home)
    low_res_emc.run(made, 3, time_limit=1)
    assert list(flag_folders(home / "Data/high-prob")) == [1]
    assert "stopped after flag 1 because the time is nearly over" in made.said[-1] and "--resume" in made.said[-1]
    low_res_emc.run(context(home), 3, resume=True)
    assert results(home) == results(unbroken)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_stops_at_a_signal_after_the_flag(home, number):
    made = context(home)

    def say(line):
        made.said.append(line)
        if line.startswith("flag 2"):
            os.kill(os.getpid(), number)

    object.__setattr__(made, "say", say)
    low_res_emc.run(made, 50)
    assert list(flag_folders(home / "Data/high-prob")) == [1, 2]
    assert signal.Signals(number).name in made.said[-1]
    assert signal.getsignal(number) == signal.SIG_DFL


def test_wrong_inputs_are_named(home):
    (home / "aux/start-phi.dat").write_text("1\n" * 69)
    with pytest.raises(InputFileError, match="69 scale factors, but there are 70 reduced frames"):
        low_res_emc.run(context(home), 1)
    (home / "aux/start-phi.dat").write_text("1\n" * 70)
    (home / "aux/start_intensity.bin").write_bytes(bytes(80))
    with pytest.raises(InputFileError, match="80 bytes, but lattice and cutoff give"):
        low_res_emc.run(context(home), 1)


def test_halves_start_from_different_random_numbers(begun, home):
    low_res_emc.run(context(home, start_intens_file="aux/start_intensity-A.bin"), 1)
    one, other = ((home / f"aux/start_intensity{name}.bin").read_bytes() for name in ("", "-A"))
    assert one != other and len(one) == len(other)


def test_move_recon_files(home):
    low_res_emc.run(context(home), 1)
    move_recon_files.run(context(home))
    folder = home / "Data/high-prob/low-res-recon-0"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"iter_flag-1", "iter_flag-2", "start-phi.dat", "start_intensity.bin", "EMC.log", "history.jsonl"}
    assert not flag_folders(home / "Data/high-prob") and not (home / "aux/start-phi.dat").exists()
    with pytest.raises(UsageError, match="no iter_flag folders to put away"):
        move_recon_files.run(context(home))
    shutil.copy(folder / "start-phi.dat", home / "aux")
    low_res_emc.run(context(home), 1)
    move_recon_files.run(context(home))
    assert (home / "Data/high-prob/low-res-recon-1/iter_flag-2").is_dir()


def test_plan_is_above_the_data_and_names_what_is_missing(home):
    plan = low_res_emc.plan(context(home))
    assert plan.memory > 2 * (home / "Data/mpi-datafile.bin").stat().st_size
    (home / "Data/mpi-r2peak-low.bin").unlink()
    assert low_res_emc.plan(context(home)).missing == (str(home / "Data/mpi-r2peak-low.bin"),)


def _mpirun() -> str:
    beside = Path(sys.executable).with_name("mpirun")
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if not found:
        pytest.skip("no mpirun")
    return found


def _launch(home: Path, ranks: int, *words: str) -> subprocess.CompletedProcess:
    program = [sys.executable, "-m", "fxs_hpc", "emc", "low-res-emc", str(home / "config.ini"), *words]
    allow = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    command = [_mpirun(), "--oversubscribe", "-np", str(ranks), *program]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **allow}, check=False)


@pytest.mark.mpi
def test_begun_on_two_ranks_and_continued_on_one(home, unbroken):
    run = _launch(home, 2, "2")
    assert run.returncode == 0, run.stderr
    low_res_emc.run(context(home), 3, resume=True)
    assert results(home) == results(unbroken)


def test_merged_intensities_of_a_flag(unbroken):
    """Means of equivalents of intens-mean-std.dat; a deviation of the mean that is not below that of independent members."""
    folder = unbroken / "Data/high-prob/iter_flag-5"
    merged, single = crystfel_hkl.read(folder / "merged.hkl"), mean_std.read(folder / "intens-mean-std.dat")
    assert (folder / "merged.hkl").read_text().splitlines()[1] == "Symmetry: 4/mmm"
    assert merged.multiplicity.sum() == len(single.hkl)
    ratios = []
    for hkl, value, sigma, count in zip(merged.hkl, merged.intensity, merged.sigma, merged.multiplicity):
        own = np.all(_largest(single.hkl) == _largest(hkl[None]), axis=1)
        assert own.sum() == count and value == pytest.approx(single.intensity[own].mean(), rel=2e-5, abs=1e-4)
        ratios.append(sigma / np.sqrt(np.mean(single.std[own] ** 2) / count))
    assert min(ratios) > 0.5 and 1 < np.median(ratios) < 4


def _largest(hkl):
    """4/mmm: h and k of any sign and order, l of any sign."""
    return np.column_stack([np.sort(np.abs(hkl[:, :2]), axis=1), np.abs(hkl[:, 2])])
