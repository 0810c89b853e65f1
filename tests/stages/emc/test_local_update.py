"""High resolution on the grid, from the reference program's low resolution."""

import json
import shutil

import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.emc import quaternions as samples
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.files.emc import (
    candidates,
    crystfel_hkl,
    emc_state,
    hkl_values,
    intensity,
    mean_std,
    phi,
    probabilities,
    quaternion_table,
)
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.stages.emc import local_update, setup_intens, setup_quat
from fxs_hpc.stages.emc.finished_runs import last_flag
from fxs_hpc.stages.emc.flag_folder import flag_folders

HIGH, LOW = "Data/high-prob/high-res-recon-0", "Data/high-prob/low-res-recon-0"
NEEDED = (
    "make-detector/rec-vectors.bin",
    "make-detector/rec2pix-map.bin",
    "Data/mpi-datafile.bin",
    "Data/mpi-bg_model.bin",
    "Data/mpi-r2peak-local.bin",
    "aux/sym-op.dat",
    "aux/c-reduced-quaternion23.bin",
    "aux/reduced-quaternion-17-23.dat",
    "aux/start_prob/reduced-high_p-0.dat",
    "aux/start_prob/reduced-high_p-1.dat",
)


@pytest.fixture
def home(reference_data, tmp_path):
    base = reference_data / "emc"
    reference_run.config(base, tmp_path)
    for name in NEEDED:
        reference_run.unpack(base, tmp_path, name)
    for name in ("start_intensity.bin", "start-phi.dat"):
        reference_run.unpack(base, tmp_path, f"{HIGH}/{name}").rename(tmp_path / "aux" / name)
    (tmp_path / HIGH).rmdir()
    return tmp_path


def own_candidates(home):
    """Candidates from the reference program's own table."""
    table = quaternion_table.read(home / "aux/reduced-quaternion-17-23.dat")
    frames = [frame for part in (0, 1) for frame in probabilities.read(home / f"aux/start_prob/reduced-high_p-{part}.dat")]
    nothing = np.zeros(0, np.int32)
    lists = [np.unique(np.concatenate([nothing, *(table[coarse] for coarse in frame.rotation)])) for frame in frames]
    candidates.write(home / "aux/local-prob-orien.bin", Candidates.of_lists(lists))


def test_the_reference_program_s_first_iterations(reference_data, home):
    """The tolerances of the set's README: I to 1e-3 of the largest, chained CC >= 0.9999."""
    own_candidates(home)
    local_update.run(small_run.context(home, emc_rules="reference"), 2)
    for flag in (1, 2):
        found, expected = home / f"Data/high-prob/iter_flag-{flag}", home / HIGH / f"iter_flag-{flag}"
        for name in ("hkl-val.dat", "intens-mean-std.dat", "high_p-0.dat", "high_p-1.dat"):
            reference_run.unpack(reference_data / "emc", home, f"{HIGH}/iter_flag-{flag}/{name}")
        here, there = hkl_values.read(found / "hkl-val.dat")[1], hkl_values.read(expected / "hkl-val.dat")[1]
        assert np.abs(here - there).max() < 1e-3 * np.abs(there).max() and np.corrcoef(here, there)[0, 1] > 0.9999
        one, other = mean_std.read(found / "intens-mean-std.dat"), mean_std.read(expected / "intens-mean-std.dat")
        assert np.array_equal(one.hkl, other.hkl)
        assert np.abs(one.intensity - other.intensity).max() < 1e-3 * np.abs(other.intensity).max()
        pairs = list(zip(probabilities.read_all(found), probabilities.read_all(expected), strict=True))
        assert np.mean([set(a.rotation[:1]) <= set(b.rotation) for a, b in pairs if len(b.rotation)]) >= 0.98


def test_setup_from_the_reference_program_s_low_resolution(reference_data, home):
    base = reference_data / "emc"
    for name in (
        "iter_flag-23/finish_intensity.bin",
        "iter_flag-24/high_p-0.dat",
        "iter_flag-24/high_p-1.dat",
        "iter_flag-24/total-phi.dat",
    ):
        reference_run.unpack(base, home, f"{LOW}/{name}")
    quaternion_file.write(home / "aux/c-quaternion17.bin", samples.sample_count(17), samples.blocks(17))
    reference = quaternion_file.read(home / "aux/c-reduced-quaternion23.bin")[0]
    known = intensity.read(home / "aux/start_intensity.bin", 123282)
    context = small_run.context(home)
    setup_quat.run(context)
    setup_intens.run(context)
    derived = json.loads((home / "setup-local/setup-quat.json").read_text())
    assert derived["divisions"] == 23 and derived["sample_count"] == 10620 and derived["samples"].endswith("c-reduced-quaternion23.bin")
    assert json.loads((home / "setup-local/setup-intens.json").read_text())["cutoff"] == derived["cutoff"]
    fine = quaternion_file.read(home / "aux/c-reduced-quaternion23.bin")[0]
    assert len(fine) == 10620 > len(reference)
    assert {tuple(np.round(q, 9)) for q in reference} <= {tuple(np.round(q, 9)) for q in fine}
    for part in (0, 1):
        name = f"aux/start_prob/reduced-high_p-{part}.dat"
        assert (home / name).read_text() == (base / name).read_text()
    found, table = candidates.read(home / "aux/local-prob-orien.bin"), quaternion_table.read(home / "aux/reduced-quaternion-17-23.dat")
    seeds = probabilities.read(home / "aux/start_prob/reduced-high_p-0.dat")[5].rotation
    assert set(found[5].tolist()) == {number for seed in seeds for number in table[seed].tolist()}
    start = intensity.read(home / "aux/start_intensity.bin", 123282)
    assert 52812 <= np.count_nonzero(start == known) < len(start)


def test_the_cutoff_must_lie_between_the_others(tmp_path):
    small_run.make(tmp_path)
    with pytest.raises(SettingsError, match=r"high_res_cutoff = 9: must lie between res_max = 6 and res_cutoff = 6"):
        setup_quat.run(small_run.context(tmp_path, high_res_cutoff="9"))
    with pytest.raises(InputFileError, match="there is no low-res-recon-0; run .* move-recon-files"):
        setup_quat.run(small_run.context(tmp_path))


def test_scale_factors_may_be_updated(reference_data, home):
    """With `local_phi` intensities and scale factors come nearer to the truth; rejected frames stay out, by either set of rules."""
    own_candidates(home)
    truth = np.load(reference_data / "emc/truth.npz")
    raw = np.loadtxt(reference_data / "emc/reduce-data/reduced-data_id.dat", dtype=int)[1:]
    start = phi.read(home / "aux/start-phi.dat", len(raw))
    single = truth["kind"][raw] == 1
    rejected, used = np.flatnonzero(~single), np.flatnonzero(single)
    start[rejected] = 0
    phi.write(home / "aux/start-phi.dat", start, phi.START)
    folder, quality = home / "Data/high-prob", {}
    for wanted in ("no", "yes"):
        local_update.run(small_run.context(home, local_phi=wanted), 3)
        assert list(flag_folders(folder)) == ([1, 2, 3] if wanted == "no" else [1, 2, 3, 4, 5, 6])
        last = last_flag(folder, "merged.hkl")
        assert last.name == ("iter_flag-3" if wanted == "no" else "iter_flag-5")
        scale = emc_state.read(max(folder.glob("iter_flag-*")) / "state.h5").phi
        assert np.array_equal(np.flatnonzero(scale == 0), rejected)
        merged = crystfel_hkl.read(last / "merged.hkl")
        true = truth["F2"][tuple((merged.hkl + truth["hm"]).T)]
        quality[wanted] = np.corrcoef(merged.intensity, true)[0, 1], np.corrcoef(scale[used], truth["phi"][raw[used], 0])[0, 1]
        for path in folder.glob("iter_flag-*"):
            shutil.rmtree(path)
    assert quality["yes"][0] > quality["no"][0] + 3e-4 and quality["yes"][1] > quality["no"][1] + 0.02
    local_update.run(small_run.context(home, local_phi="yes", emc_rules="reference"), 1)
    assert np.array_equal(np.flatnonzero(emc_state.read(folder / "iter_flag-2/state.h5").phi == 0), rejected)
