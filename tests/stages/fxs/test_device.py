"""reconstruct on an OpenCL device: which one it takes, what it says, and that the result is that of the CPU."""

import re
import sys
from functools import partial

import h5py
import numpy as np
import particle
import pytest

from fxs_hpc.config.reconstruct import PhasingGpu
from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry
from fxs_hpc.engine.opencl import devices
from fxs_hpc.engine.opencl.devices import Device, Probe
from fxs_hpc.engine.opencl.memory import need
from fxs_hpc.engine.opencl.prober import Prober
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.errors import NumericalError, SettingsError
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid
from fxs_hpc.stages.fxs import device, phasing_problem, phasing_worker, reconstruct, runners

CPU = Device(0, "P", "V", "CPU 1", "X", "1", "CPU", 8 * 2**30, 2 * 2**30, 2**15, True, 2)
GPU = Device(1, "P", "V", "GPU 1", "X", "1", "GPU", 8 * 2**30, 2 * 2**30, 2**15, True, 99)
SINGLE_ONLY = Device(1, "P", "V", "GPU 2", "X", "1", "GPU", 8 * 2**30, 2 * 2**30, 2**15, False, 99)


class FakeProber(Prober):
    """Made-up devices, all of which work."""

    def __init__(self, found: list[Device]) -> None:
        self._found = found

    def __exit__(self, *error) -> None:
        pass

    def devices(self) -> tuple[list[Device], list[str]]:
        return self._found, [] if self._found else ["no OpenCL platform: install a driver"]

    def probe(self, device: Device) -> Probe:
        return Probe(100.0)


def selected(found: list[Device], precision: str = "double", **settings) -> device.Selected:
    return device.select(PhasingGpu(**settings), precision, {}, lambda: FakeProber(found))


def test_unwanted_devices_are_not_looked_for():
    chosen = device.select(PhasingGpu(use=False), "double", {}, lambda: pytest.fail("nobody wants a device"))
    assert (chosen.device, chosen.precision, chosen.lines) == (None, "double", ())


def test_the_choice_and_its_reason_are_said():
    found = selected([CPU, GPU])
    assert found.device is GPU
    assert found.lines == ("device 1, P: GPU 1 (GPU, 8 GiB, 100 GFLOP/s): the only one that works",)


@pytest.mark.parametrize(
    ("found", "why"), [([], "no OpenCL platform: install a driver"), ([CPU], "CPU 1 is a CPU; GPU.device: cpu takes it")]
)
def test_without_a_gpu_the_cpu_works_with_a_warning(found, why):
    chosen = selected(found)
    assert chosen.device is None
    assert chosen.lines[0].startswith("no GPU is used, the CPU does the work: ")
    assert why in chosen.lines[0]


def test_a_required_gpu_that_is_not_there_is_an_error():
    with pytest.raises(SettingsError, match=r"GPU.required: no OpenCL device can be used: .*install a driver"):
        selected([], required=True)
    with pytest.raises(SettingsError, match="GPU.device: H100 fits none"):
        selected([GPU], required=True, device="H100")


def test_missing_double_precision_is_named():
    refused = selected([CPU, SINGLE_ONLY])
    assert refused.device is None
    assert "GPU 2 has no double precision" in refused.lines[0]
    assert "set precision = single in config.ini, or GPU.allow_single: True" in refused.lines[0]
    allowed = selected([CPU, SINGLE_ONLY], allow_single=True)
    assert (allowed.device, allowed.precision) == (SINGLE_ONLY, "single")
    assert "single is used (GPU.allow_single)" in allowed.lines[-1]
    assert selected([CPU, SINGLE_ONLY], "single").device is SINGLE_ONLY


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    settings, context = particle.stage(particle.make_home(tmp_path_factory.mktemp("problem")))
    data = reconstruct.read_proj_data(context.workspace.find("invariants"))
    return phasing_problem.problem(settings, data, 0, "double")


def batch(problem, wanted: int = 50, of: Device = GPU, **settings) -> device.Batch:
    return device.batch(PhasingGpu(**settings), of, problem.geometry, problem.constraints, "double", wanted)


def test_a_device_is_filled_as_far_as_it_helps(problem):
    one = batch(problem, 1)
    assert one.members == 1
    assert batch(problem).members == 50
    assert batch(problem, 1000).members == 256
    assert batch(problem, 1000, batch=300).members == 300
    assert batch(problem, of=CPU).members == 16
    assert batch(problem, 2).memory < 2 * one.memory


@pytest.mark.parametrize(("kind", "space", "plane"), [("GPU", 17, 256), ("CPU", 1, 16)])
def test_small_problems_make_large_batches(kind, space, plane):
    """On the grids of 128 shells and order 63."""
    data = ReciprocalConstraint({}, None, {}, np.zeros(128))
    in_space = Geometry(RadialGrid(128, 0.3), AngularGrid.alias_free(63, 63), 63)
    in_plane = PlaneGeometry(RadialGrid(128, 0.3, dimensions=2), CircleGrid.alias_free(63, 63), 63)
    for geometry, expected in ((in_space, space), (in_plane, plane)):
        assert need(geometry, Constraints(data), "single", True).useful(kind) == expected


def test_reconstructions_that_do_not_fit_are_refused(problem):
    one, two = (batch(problem, count).memory for count in (1, 2))
    small = Device(1, "P", "V", "small", "X", "1", "GPU", int(two / 0.85) + 2000, 2**30, 2**15, True, 9)
    assert batch(problem, of=small).members == 2
    with pytest.raises(SettingsError, match=r"GPU.batch: 3 reconstructions need .* small has .* lower GPU.batch"):
        batch(problem, of=small, batch=3)
    tiny = Device(1, "P", "V", "tiny", "X", "1", "GPU", one, 2**30, 2**15, True, 9)
    with pytest.raises(SettingsError, match="GPU.use: False"):
        batch(problem, of=tiny)


@pytest.fixture
def home(tmp_path):
    return particle.make_home(tmp_path)


@pytest.fixture
def opencl() -> dict[str, object]:
    """Settings that run on an OpenCL driver for the CPU; the test is skipped where there is none."""
    found, remarks = devices.devices()
    usable = [made for made in found if made.kind == "CPU" and made.double and not devices.probe(made).failure]
    if not usable:
        pytest.skip(f"no OpenCL device for the CPU; {'; '.join(remarks)}")
    return {"GPU__use": True, "GPU__required": True, "GPU__device": str(usable[0].index)}


def densities(folder) -> dict[str, np.ndarray]:
    with h5py.File(folder / "data.h5") as file:
        return {name: group["last_real_density"][()] for name, group in file["reconstruction_results"].items()}


def test_a_driver_that_aborts_does_not_end_the_run(home, monkeypatch):
    aborting = partial(device.select, ask=lambda: Prober((sys.executable, "-c", "import os; os.abort()")))
    monkeypatch.setattr(device, "select", aborting)
    said: list[str] = []
    folder = particle.run(home, say=said.append, GPU__use=True)
    assert (folder / "data.h5").exists()
    assert any("no GPU is used, the CPU does the work: no OpenCL driver can be asked" in line and "SIGABRT" in line for line in said)


@pytest.mark.opencl
def test_a_run_on_a_device_gives_what_the_cpu_gives(home, opencl):
    several = {"multi_process__n_parallel_reconstructions": 3, "seed": 5}
    said: list[str] = []
    expected = densities(particle.run(particle.make_home(home / "other"), **several))
    found = densities(particle.run(home, say=said.append, GPU__batch=2, **opencl, **several))
    assert found.keys() == expected.keys()
    for name, density in expected.items():
        assert np.linalg.norm(found[name] - density) < 1e-6 * np.linalg.norm(density)
    assert any(re.search(r"device \d+, .*: asked for by GPU.device", line) for line in said)
    assert any("3 reconstructions, 2 side by side on the device" in line for line in said)


@pytest.mark.opencl
def test_two_runs_on_a_device_are_the_same_bits(home, opencl):
    one, two = (densities(particle.run(place, seed=5, GPU__batch=2, **opencl)) for place in (home, particle.make_home(home / "other")))
    assert all(one[name].tobytes() == two[name].tobytes() for name in two)


@pytest.mark.opencl
def test_one_failing_on_a_device_leaves_the_others(home, opencl, monkeypatch):
    original = phasing_problem.Problem.start
    monkeypatch.setattr(phasing_problem.Problem, "start", lambda self, number: original(self, number) * (number != 1))
    said: list[str] = []
    folder = particle.run(home, say=said.append, multi_process__n_parallel_reconstructions=3, GPU__batch=3, **opencl)
    assert densities(folder).keys() == {"0", "2"}
    assert any("P1: failed" in line and "step 1" in line for line in said)


@pytest.mark.opencl
def test_a_run_that_broke_off_on_a_device_goes_on_there(home, opencl, monkeypatch):
    expected = densities(particle.run(particle.make_home(home / "other"), seed=5, GPU__batch=2, **opencl))
    monkeypatch.setattr(phasing_worker, "CHECKPOINT_SECONDS", 0.0)
    original, steps = runners.run_on_device, []

    def breaking_off(problem, *given):
        def show(report):
            steps.append(report.steps)
            if len(steps) > 3:
                raise KeyboardInterrupt

        return original(problem, *given[:-1], show)

    monkeypatch.setattr(runners, "run_on_device", breaking_off)
    monkeypatch.setattr(phasing_worker, "REPORT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        particle.run(home, seed=5, GPU__batch=2, **opencl)
    monkeypatch.setattr(runners, "run_on_device", original)
    found = densities(particle.run(home, resume=True, seed=5, GPU__batch=2, **opencl))
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


@pytest.mark.opencl
def test_a_device_that_fails_is_reported_with_what_to_do(home, opencl, monkeypatch):
    """Nobody can say beforehand what others will take of its memory."""
    import pyopencl as cl

    from fxs_hpc.engine.opencl.steps import Steps

    calls = []

    def step(self, members, update):
        calls.append(update)
        if len(calls) > 5:
            raise cl.MemoryError("clFinish failed: OUT_OF_RESOURCES")
        return original(self, members, update)

    original = Steps.step
    monkeypatch.setattr(Steps, "step", step)
    with pytest.raises(NumericalError, match=r"failed: .*OUT_OF_RESOURCES.*lower GPU.batch.*--resume"):
        particle.run(home, seed=5, GPU__batch=2, **opencl)


def test_a_dry_run_says_what_a_device_would_need(home):
    settings, context = particle.stage(home, GPU__use=True)
    assert any("on a GPU, if one is used" in line for line in reconstruct.plan(settings, context).lines)
    settings, context = particle.stage(home, GPU__use=False)
    assert not any("GPU" in line for line in reconstruct.plan(settings, context).lines)
