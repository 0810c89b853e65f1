"""Which device a process takes: made-up machines, no OpenCL needed."""

from collections.abc import Callable

import pytest

from fxs_hpc.engine.opencl.choice import allocated, choose
from fxs_hpc.engine.opencl.devices import Device, Probe


def device(index: int, kind: str = "GPU", vendor: str = "NVIDIA Corporation", name: str = "H100", double: bool = True) -> Device:
    return Device(index, f"{vendor} platform", "OpenCL 3.0", name, vendor, "1", kind, 80 * 2**30, 20 * 2**30, 48 * 2**10, double, 100)


def rates(*values: float) -> Callable[[Device], Probe]:
    """Rates by index; 0 means that the device does not work."""
    return lambda device: Probe(values[device.index], "" if values[device.index] else "cannot build")


CPU = device(0, "CPU", "The pocl project", "pthread-EPYC")
NODE = [CPU, device(1), device(2), device(3, name="A100")]
NO_DOUBLE = device(1, vendor="Intel", name="Arc", double=False)


def chosen(wanted: str, found: list[Device], environment: dict[str, str] | None = None, *speeds: float, double: bool = True) -> int | None:
    found_device = choose(wanted, double, found, environment or {}, rates(*(speeds or (1, 100, 100, 100)))).device
    return None if found_device is None else found_device.index


def test_a_gpu_is_taken_not_the_first_platform() -> None:
    assert chosen("auto", NODE) == 1


def test_the_fastest_gpu_is_taken() -> None:
    assert chosen("auto", NODE, {}, 1, 50, 100, 90) == 2


def test_equally_fast_ones_are_taken_in_order() -> None:
    assert chosen("auto", NODE, {}, 1, 95, 100, 90) == 1


def test_a_device_that_does_not_work_is_passed_over() -> None:
    found = choose("auto", True, NODE, {}, rates(1, 0, 100, 0))
    assert found.device is NODE[2]
    assert any("cannot build" in reason for reason in found.reasons)
    assert found.reasons[-1].endswith("the only one that works")


def test_a_cpu_is_taken_only_when_asked_for() -> None:
    found = choose("auto", True, [CPU], {}, rates(1))
    assert found.device is None
    assert "GPU.device: cpu takes it" in found.reasons[0]
    assert chosen("cpu", [CPU]) == 0


@pytest.mark.parametrize(
    ("wanted", "index"), [("2", 2), ("a100", 3), ("gpu", 1), ("cpu", 0), ("pocl", 0), ("nvidia corporation platform: a", 3)]
)
def test_devices_by_number_name_and_kind(wanted: str, index: int) -> None:
    assert chosen(wanted, NODE) == index


@pytest.mark.parametrize("wanted", ["7", "Voodoo"])
def test_a_device_that_is_not_there(wanted: str) -> None:
    found = choose(wanted, True, NODE, {}, rates(1, 1, 1, 1))
    assert found.device is None
    assert f"GPU.device: {wanted} fits none" in found.reasons[0]
    assert "[3] NVIDIA Corporation platform: A100" in found.reasons[0]


def test_double_precision_is_asked_for() -> None:
    found = choose("auto", True, [CPU, NO_DOUBLE], {}, rates(1, 1))
    assert found.device is None
    assert any("Arc has no double precision" in reason for reason in found.reasons)
    assert chosen("auto", [CPU, NO_DOUBLE], double=False) == 1


@pytest.mark.parametrize(("local", "index"), [("0", 1), ("1", 2), ("2", 3), ("3", 1)])
def test_tasks_of_a_node_take_different_devices(local: str, index: int) -> None:
    environment = {"SLURM_LOCALID": local, "SLURM_STEP_TASKS_PER_NODE": "4(x2)"}
    found = choose("auto", True, NODE, environment, rates(1, 50, 100, 90))
    assert found.device is NODE[index]
    assert f"SLURM_LOCALID={local} of 4" in found.reasons[-1]


def test_a_single_task_takes_the_best() -> None:
    assert chosen("auto", NODE, {"SLURM_LOCALID": "0", "SLURM_TASKS_PER_NODE": "1"}, 1, 50, 100, 90) == 2


def test_a_task_whose_device_is_broken_takes_the_next() -> None:
    assert chosen("auto", NODE, {"SLURM_LOCALID": "1", "SLURM_TASKS_PER_NODE": "3"}, 1, 50, 0, 90) == 3


@pytest.mark.parametrize(
    ("value", "indices"),
    [("0", [0, 1]), ("2", [0, 3]), ("1,2", [0, 2, 3]), ("2,1,0", [0, 1, 2, 3]), ("", [0]), ("-1", [0]), ("GPU-8932f937", [0, 1, 2, 3])],
)
def test_the_allocation_of_gpus_is_obeyed(value: str, indices: list[int]) -> None:
    """Where the driver lists more than the variable allows."""
    kept, remarks = allocated(NODE, {"CUDA_VISIBLE_DEVICES": value})
    assert [device.index for device in kept] == indices
    assert bool(remarks) == (value != "2,1,0")


def test_a_driver_that_obeys_the_allocation_is_not_cut_again() -> None:
    """CUDA_VISIBLE_DEVICES=3 and one device listed: that is the fourth of the machine."""
    assert [device.index for device in allocated(NODE[:2], {"CUDA_VISIBLE_DEVICES": "3"})[0]] == [0, 1]


def test_each_variable_is_for_its_vendor() -> None:
    both = [device(0), device(1, vendor="Advanced Micro Devices, Inc."), device(2, vendor="Advanced Micro Devices, Inc.")]
    assert [device.index for device in allocated(both, {"ROCR_VISIBLE_DEVICES": "1"})[0]] == [0, 2]
