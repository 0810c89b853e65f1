"""refine-orientations on the first frames of the reference set: outputs, resume, ranks, refusals."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from reference_run import config, unpack

from fxs_hpc.cli.main import main
from fxs_hpc.emc import quaternions
from fxs_hpc.files.emc import candidates, crystfel_hkl, hkl_values, mean_std, orientations, phi
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.stages.emc.refinement_output import Record

FRAMES = 96
PIXELS = 43613


@pytest.fixture(scope="module")
def source(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directory with the first frames, as reduce-data leaves it."""
    home = tmp_path_factory.mktemp("refine")
    golden = reference_data / "emc"
    path = config(golden, home)
    for name in ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin", "aux/sym-op.dat", "aux/prob-orien.bin"):
        unpack(golden, home, name)
    for name, size in (("Data/mpi-datafile.bin", 2 * PIXELS), ("Data/mpi-bg_model.bin", 8 * 40)):
        whole = unpack(golden, home, name)
        whole.write_bytes(whole.read_bytes()[: FRAMES * size])
    ids = unpack(golden, home, "reduce-data/reduced-data_id.dat").read_text().split()
    (home / "reduce-data/reduced-data_id.dat").write_text("\n".join([str(FRAMES), *ids[1 : FRAMES + 1]]) + "\n")
    found = candidates.read(home / "aux/prob-orien.bin")
    stop = int(found.first[FRAMES])
    candidates.write(home / "aux/prob-orien.bin", candidates.Candidates(found.first[: FRAMES + 1], found.rotation[:stop]))
    quaternion_file.write(home / "aux/c-quaternion17.bin", quaternions.sample_count(17), quaternions.blocks(17))
    path.write_text(path.read_text() + "\nrefine_block = 20\n")
    return home


def refine(home: Path, *words: str) -> str:
    result = CliRunner().invoke(main, ["emc", "refine-orientations", str(home / "config.ini"), *words], catch_exceptions=False)
    return result.output + (f"\nexit {result.exit_code}" if result.exit_code else "")


def contents(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.fixture(scope="module")
def done(source: Path) -> Path:
    """Folder of a run in one go."""
    refine(source, "2")
    folder = source / "Data" / "off-grid"
    return folder.rename(source / "Data" / "whole")


def test_outputs(done):
    folder = done / "iter_flag-2"
    stored = orientations.read(folder / orientations.NAME)
    frames = stored.frames
    assert stored.number == 2 and len(frames["phi"]) == FRAMES and 0.5 < frames["accepted"].mean() < 1
    assert np.isclose(frames["phi"][frames["accepted"]].mean(), 1)
    np.testing.assert_allclose(quaternions.rotation_matrices(frames["quaternion"]), frames["rotation"], atol=1e-12)
    assert np.median(frames["rotation_error"][frames["accepted"]]) < 0.15
    np.testing.assert_allclose(phi.read(folder / "total-phi.dat"), frames["phi"], rtol=1e-4, atol=1e-4)
    hkl, values = hkl_values.read(folder / "hkl-val.dat")
    merged = crystfel_hkl.read(folder / "merged.hkl")
    listed = mean_std.read(folder / "intens-mean-std.dat")
    assert len(merged.hkl) == np.isfinite(stored.model["sigma"]).sum() <= len(values)
    # equivalents of 4/mmm have one and the same intensity
    table = {tuple(row): value for row, value in zip(hkl.tolist(), values.tolist(), strict=True)}
    assert table[(1, 2, 1)] == table[(2, -1, 1)] == table[(-1, -2, -1)]
    assert np.all(listed.std > 0)
    history = [json.loads(line) for line in (done / "history.jsonl").read_text().splitlines()]
    assert [record["round"] for record in history] == [1, 2] and history[1]["log_likelihood"] > history[0]["log_likelihood"]
    assert all((done / name).stat().st_size > 10_000 for name in ("refinement.png", "history.png", "orientations.png"))


def test_table_and_stream(done):
    frames = orientations.read(done / "iter_flag-2" / orientations.NAME).frames
    rows = list(csv.DictReader((done / "frames.csv").open()))
    assert [int(row["raw_id"]) for row in rows] == frames["raw_id"].tolist()
    assert [row["verdict"] == "accepted" for row in rows] == frames["accepted"].tolist()
    quaternion = np.array([[float(row[f"q{place}"]) for place in range(4)] for row in rows])
    np.testing.assert_allclose(quaternion, frames["quaternion"], atol=1e-6)
    text = (done / "orientations.stream").read_text()
    assert text.count("--- Begin crystal") == frames["accepted"].sum() and text.count("----- Begin chunk") == FRAMES
    assert "lattice_type = tetragonal\nunique_axis = c\ncentering = P\n" in text


@pytest.mark.mpi
def test_resumed_on_two_ranks_gives_the_same_bits(source, done):
    refine(source, "1")
    command = [
        shutil.which("mpirun", path=str(Path(sys.executable).parent)) or "mpirun",
        "--allow-run-as-root",
        "--oversubscribe",
        "-np",
        "2",
    ]
    command += [sys.executable, "-m", "fxs_hpc", "emc", "refine-orientations", str(source / "config.ini"), "2", "--resume"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    folder = source / "Data" / "off-grid"
    new, old = (contents(path / "iter_flag-2" / orientations.NAME) for path in (folder, done))
    assert new.keys() == old.keys()
    for name in new:
        np.testing.assert_array_equal(new[name], old[name], err_msg=name)
    assert "nothing to do" in refine(source, "2", "--resume")
    assert "come with another round, 3 for example" in refine(source, "2", "--resume", "--recover")
    assert "continue it with --resume" in refine(source, "2")
    assert "high_res_cutoff was 3.0, is 3.2" in refine(source, "3", "--resume", "--set", "high_res_cutoff=3.2")


def test_refusals(source):
    assert "high_res_cutoff = 5" in refine(source, "1", "--set", "high_res_cutoff=5", "--set", "refine_dir=Data/none")
    assert "no iter_flag-N of low-res-emc" in refine(source, "1", "--start", "low-res", "--set", "refine_dir=Data/none")
    assert not (source / "Data" / "none").exists()


def test_the_detector_is_said_in_the_terms_of_config_ini():
    """A detector that has to move by +0.01 distances along x lies around a beam centre of a smaller cx."""
    record = Record(1, 1, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.01, -0.02, np.log(1.001), 1, 1.0, 1.0, 1.0)
    words = record.detector(100.0)
    assert "-1.000 along x (cx), +2.000 along y (cy) pixels" in words and words.endswith("distance +0.100%")
