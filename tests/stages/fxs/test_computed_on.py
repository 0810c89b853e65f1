"""The provenance of reconstructions says which device computed which part; runs in the plane and of several processes on a device."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import device_process
import h5py
import numpy as np
import particle
import plane_particle
import pytest
import yaml
from test_device import CPU, GPU, FakeProber
from test_loop_options import EVERYTHING

from fxs_hpc.config.reconstruct import PhasingGpu
from fxs_hpc.engine.opencl import devices
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.errors import SettingsError
from fxs_hpc.stages.fxs import computed_on, device, phasing_worker, reconstruct
from fxs_hpc.stages.fxs.device import Selected

SECOND = Device(2, "P", "V", "GPU 2", "X", "1", "GPU", 8 * 2**30, 2 * 2**30, 2**15, True, 99)


@pytest.fixture
def opencl() -> dict[str, object]:
    """Settings that run on an OpenCL driver for the CPU; the test is skipped where there is none."""
    found, remarks = devices.devices()
    usable = [made for made in found if made.kind == "CPU" and made.double and not devices.probe(made).failure]
    if not usable:
        pytest.skip(f"no OpenCL device for the CPU; {'; '.join(remarks)}")
    return {"GPU__use": True, "GPU__required": True, "GPU__device": str(usable[0].index)}


def entries(folder: Path) -> list[dict]:
    return yaml.safe_load((folder / "settings.yaml").read_text())["provenance"]["computed_on"]


def densities(folder: Path) -> dict[str, np.ndarray]:
    with h5py.File(folder / "data.h5") as file:
        return {name: group["last_real_density"][()] for name, group in file["reconstruction_results"].items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a" / "b" / "run_0"
    made.mkdir(parents=True)
    (made / "settings.yaml").write_text("seed: 5  # as it was written\nprovenance:\n  precision: double\n")
    return made


def test_entries_are_added_and_nothing_else_changes(folder: Path) -> None:
    assert computed_on.note(folder, Selected(GPU, "single", (), "the only one"), [0, 2]) == ()
    assert computed_on.note(folder, Selected(None, "double", (), "GPU.use: False"), [1]) == ()
    first, second = entries(folder)
    assert (first["device"], first["platform"], first["driver"], first["precision"]) == ("P: GPU 1", "V", "1", "single")
    assert (first["why"], first["reconstructions"], first["continued_from_operation"]) == ("the only one", [0, 2], {})
    assert (second["device"], second["precision"], second["why"]) == ("CPU", "double", "GPU.use: False")
    text = (folder / "settings.yaml").read_text()
    assert text.startswith("seed: 5  # as it was written\nprovenance:\n  precision: double\n")
    assert [line.split(",")[0] for line in computed_on.lines(folder)] == ["P: GPU 1 (driver 1)", "CPU"]


def test_going_on_elsewhere_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed_on.note(folder, Selected(GPU, "single"), [0, 1, 2])
    positions = {0: 7, 1: 0, 2: 9}
    monkeypatch.setattr(computed_on, "_position", lambda _, number: positions[number])
    assert computed_on.note(folder, Selected(GPU, "single"), [0, 1, 2]) == ()
    (said,) = computed_on.note(folder, Selected(None, "single"), [0, 1])[:1]
    assert "P0 began on P: GPU 1 (driver 1), single precision and go on on CPU, single precision" in said
    assert entries(folder)[-1]["continued_from_operation"] == {0: 7}
    assert computed_on.lines(folder)[-1].endswith("reconstructions 0, 1; continued from operation {0: 7}")


def test_tasks_of_an_array_have_a_gpu_each() -> None:
    """One task sees its GPU alone; tasks that see all of a node's take them in turn."""
    found = [CPU, GPU, SECOND]
    nvidia = [CPU, *(Device(**{**vars(made), "vendor": "NVIDIA Corporation"}) for made in found[1:])]

    def title(made: list[Device], **environment: str) -> str:
        chosen = device.select(PhasingGpu(), "double", environment, lambda: FakeProber(made)).device
        assert chosen is not None
        return chosen.name

    assert title(nvidia, CUDA_VISIBLE_DEVICES="1") == "GPU 2"
    assert [title(nvidia, SLURM_LOCALID=local, SLURM_TASKS_PER_NODE="2") for local in "01"] == ["GPU 1", "GPU 2"]
    assert [title(nvidia, SLURM_LOCALID=local, SLURM_TASKS_PER_NODE="2", CUDA_VISIBLE_DEVICES="1") for local in "01"] == ["GPU 2"] * 2


@pytest.mark.parametrize("made", [particle, plane_particle])
def test_without_a_device_the_cpu_works_or_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made) -> None:
    monkeypatch.setattr(device, "select", partial(device.select, ask=lambda: FakeProber([])))
    home, said = made.make_home(tmp_path), []
    folder = made.run(home, say=said.append, GPU__use=True)
    assert any("no GPU is used, the CPU does the work: no OpenCL platform" in line for line in said)
    (entry,) = entries(folder)
    assert (entry["device"], entry["reconstructions"]) == ("CPU", [0, 1])
    assert "no OpenCL platform" in entry["why"]
    with h5py.File(folder / "data.h5") as file:
        assert file.attrs["computed_on"][0].startswith("CPU, double precision")
    with pytest.raises(SettingsError, match=r"GPU.required: no OpenCL device can be used"):
        made.run(home, GPU__use=True, GPU__required=True)


@pytest.mark.opencl
@pytest.mark.parametrize("complex_density", [False, True])
def test_a_run_in_the_plane_on_a_device_gives_what_the_cpu_gives(tmp_path: Path, opencl: dict, complex_density: bool) -> None:
    options = {"multi_process__n_parallel_reconstructions": 5, "seed": 5}
    if complex_density:
        options["projections__real__projections__apply"] = ["support", "value_threshold", "limit_imag"]
    said: list[str] = []
    on_cpu = plane_particle.run(plane_particle.make_home(tmp_path / "cpu"), **options)
    on_device = plane_particle.run(plane_particle.make_home(tmp_path / "device"), say=said.append, **options, **opencl)
    expected, found = densities(on_cpu), densities(on_device)
    for name, density in expected.items():
        assert np.linalg.norm(found[name] - density) < 1e-6 * np.linalg.norm(density)
    assert any("5 reconstructions, 5 side by side on the device" in line for line in said)
    (entry,) = entries(on_device)
    assert entry["device"] == devices.devices()[0][int(str(opencl["GPU__device"]))].title
    assert entry["driver"] and entry["platform"] and entry["precision"] == "double"


@pytest.mark.opencl
@pytest.mark.parametrize("made", [particle, plane_particle])
def test_every_rare_option_at_once(tmp_path: Path, opencl: dict, made) -> None:
    """Frozen intensities, numbers of particles, averaged centres, supports of a volume, all error metrics, blocks that end early."""
    found, expected = (
        made.run(made.make_home(tmp_path / name), seed=3, **more, **EVERYTHING) for name, more in (("device", opencl), ("cpu", {}))
    )
    with h5py.File(found / "data.h5") as one, h5py.File(expected / "data.h5") as other:
        for name, theirs in other["reconstruction_results"].items():
            mine = one[f"reconstruction_results/{name}"]
            for kind in ("main", "real/support_size", "reciprocal/fqc_error", "reciprocal/deg2_invariant_l2_diff"):
                np.testing.assert_allclose(mine["error_dict"][kind], theirs["error_dict"][kind], rtol=1e-5)
            density = theirs["last_real_density"][()]
            assert np.linalg.norm(mine["last_real_density"] - density) < 1e-5 * np.linalg.norm(density)


@pytest.mark.opencl
def test_a_run_in_the_plane_says_what_a_device_would_need(tmp_path: Path) -> None:
    settings, context = plane_particle.stage(plane_particle.make_home(tmp_path), GPU__use=True)
    assert any("on a GPU, if one is used" in line for line in reconstruct.plan(settings, context).lines)


@pytest.mark.opencl
@pytest.mark.parametrize("made", [particle, plane_particle])
def test_what_a_device_began_the_cpu_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opencl: dict, made) -> None:
    home, said = made.make_home(tmp_path), []
    original = phasing_worker.write_checkpoint

    def written_once(path, checkpoint):
        original(path, checkpoint)
        raise KeyboardInterrupt

    monkeypatch.setattr(phasing_worker, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(phasing_worker, "write_checkpoint", written_once)
    with pytest.raises(KeyboardInterrupt):
        made.run(home, seed=5, GPU__batch=1, **opencl)
    monkeypatch.setattr(phasing_worker, "write_checkpoint", original)
    folder = made.run(home, seed=5, resume=True, say=said.append, GPU__use=False)
    assert [entry["device"] == "CPU" for entry in entries(folder)] == [False, True]
    assert list(entries(folder)[1]["continued_from_operation"]) == [0]
    assert any("P0 began on" in line and "go on on CPU" in line for line in said)
    with h5py.File(folder / "data.h5") as file:
        assert len(file.attrs["computed_on"]) == 2


@pytest.mark.opencl
def test_two_processes_share_a_device(tmp_path: Path, opencl: dict) -> None:
    here = Path(device_process.__file__)
    words = [[sys.executable, str(here), str(tmp_path / name), str(opencl["GPU__device"])] for name in "ab"]
    environment = {**os.environ, "PYTHONPATH": str(here.parent)}
    both = [subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) for line in words]
    assert [process.communicate()[1] for process in both if process.wait()] == []
    one, two = (densities(next((tmp_path / name).rglob("run_*/data.h5")).parent) for name in "ab")
    assert one.keys() == two.keys() and all(one[name].tobytes() == two[name].tobytes() for name in one)
