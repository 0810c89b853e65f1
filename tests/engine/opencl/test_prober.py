"""Drivers that end, hang or chatter do so in a process of their own. No OpenCL is needed: fake processes answer."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fxs_hpc.engine.opencl.choice import choose
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.prober import Prober

_FAKE = """
import os, sys
from dataclasses import replace
from fxs_hpc.engine.opencl import devices, prober

GPU = devices.Device(0, "A", "V", "broken", "X", "1", "GPU", 8, 2, 1, True, 9)

def probe(device):
    {broken}
    return devices.Probe(50.0)

devices.devices = lambda: {listing}
devices.probe = probe
prober.main()
"""
TWO = "([GPU, replace(GPU, index=1, name='sound')], ['a remark'])"


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Prober]:
    def make(broken: str = "pass", listing: str = TWO, patience: float = 30.0) -> Prober:
        script = tmp_path / "fake.py"
        script.write_text(_FAKE.format(broken=broken, listing=listing))
        return Prober((sys.executable, str(script)), patience)

    return make


def chosen(prober: Prober) -> tuple[Device | None, str]:
    with prober:
        found = choose("auto", True, prober.devices()[0], {}, prober.probe)
    return found.device, "; ".join(found.reasons)


def test_answers_are_those_of_the_drivers(made: Callable[..., Prober]) -> None:
    with made() as prober:
        found, remarks = prober.devices()
        assert [device.title for device in found] == ["A: broken", "A: sound"]
        assert remarks == ["a remark"]
        assert prober.probe(found[0]).rate == 50.0


def test_a_driver_that_aborts_costs_its_device_only(made: Callable[..., Prober]) -> None:
    broken = "device.index or (print('linker command failed', file=sys.stderr, flush=True), os.abort())"
    device, reasons = chosen(made(broken))
    assert device is not None and device.name == "sound"
    assert "A: broken does not work: its driver ended the process that tried it (SIGABRT): linker command failed" in reasons
    assert reasons.endswith("the only one that works")


def test_a_driver_that_leaves_is_named_too(made: Callable[..., Prober]) -> None:
    device, reasons = chosen(made("os._exit(3)"))
    assert device is None
    assert "A: sound does not work: its driver ended the process that tried it (exit status 3)" in reasons


def test_a_driver_that_hangs_is_given_up(made: Callable[..., Prober]) -> None:
    with made("device.index or __import__('time').sleep(60)") as prober:
        broken, sound = prober.devices()[0]
        prober._patience = 1.0
        assert prober.probe(broken).failure == "its driver did not answer within 1 s"
        prober._patience = 30.0
        assert prober.probe(sound).rate == 50.0


def test_a_listing_that_aborts_leaves_no_devices(made: Callable[..., Prober]) -> None:
    with made(listing="os.abort()") as prober:
        found, remarks = prober.devices()
    assert found == []
    assert remarks == ["no OpenCL driver can be asked: its driver ended the process that tried it (SIGABRT)"]


def test_what_a_driver_prints_is_no_answer(made: Callable[..., Prober]) -> None:
    device, _ = chosen(made("print('hello'); os.write(1, b'hello again')"))
    assert device is not None and device.name == "broken"


@pytest.mark.opencl
def test_the_devices_of_this_machine(device: Device) -> None:
    with Prober() as prober:
        found, _ = prober.devices()
        assert device in found
        assert prober.probe(found[device.index]).rate > 0
