"""Listing and probing of devices."""

from dataclasses import replace

import pytest

from fxs_hpc.engine.opencl import devices
from fxs_hpc.engine.opencl.devices import Device, Probe, opened, probe, report
from fxs_hpc.errors import NumericalError


@pytest.mark.opencl
def test_a_working_device_is_measured(device: Device) -> None:
    found = probe(device)
    assert found.failure == ""
    assert found.rate > 0


def test_a_device_that_cannot_be_used_says_why() -> None:
    broken = Device(0, "Some platform", "OpenCL 1.2", "left over", "nobody", "0", "GPU", 2**30, 2**28, 2**15, True, 1, handle=None)
    found = probe(broken)
    assert found.rate == 0
    assert found.failure


@pytest.mark.opencl
def test_a_wrong_result_is_noticed(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_PROBE", devices._PROBE.replace("1.0f", "1.5f"))
    assert "instead of" in probe(device).failure


@pytest.mark.opencl
def test_a_device_is_found_again(device: Device) -> None:
    assert opened(replace(device, handle=None)).handle == device.handle
    with pytest.raises(NumericalError, match="does not answer any more"):
        opened(replace(device, name="gone"))


def test_reports_say_how_a_device_fared() -> None:
    made = Device(3, "P", "V", "N", "X", "1.2", "GPU", 80 * 2**30, 1, 1, True, 132)
    assert report(made, Probe(12.0)) == f"{made.describe()}: works, 12 GFLOP/s in single precision"
    assert report(made, Probe(0.0, "cannot build")).endswith("does not work: cannot build")


def test_no_platform_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    cl = pytest.importorskip("pyopencl")

    def none() -> None:
        raise cl.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

    monkeypatch.setattr(cl, "get_platforms", none)
    found, remarks = devices.devices()
    assert found == []
    assert "install the driver of the GPU" in remarks[0]


def test_descriptions_name_what_matters() -> None:
    made = Device(3, "P", "V", "N", "X", "1.2", "GPU", 80 * 2**30, 1, 1, True, 132)
    assert made.describe() == "[3] GPU P: N, 80.0 GiB, 132 units, double precision, driver 1.2"
    assert "no double precision" in replace(made, double=False).describe()
