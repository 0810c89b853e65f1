"""Which OpenCL device a process uses: by setting, by the allocation of the batch system, or the best that works."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fxs_hpc.engine.opencl.devices import KINDS, Device, Probe, probe

_VISIBLE = {"CUDA_VISIBLE_DEVICES": "nvidia", "ROCR_VISIBLE_DEVICES": "advanced micro devices"}
"""Variables by which a batch system hands out GPUs, and the vendor whose driver they are for."""

_ALIKE = 0.8
"""Devices within this share of the fastest count as equally fast; the first of them is taken."""


@dataclass(frozen=True)
class Choice:
    """The device chosen (None: there is none to use), and why in a few lines."""

    device: Device | None
    reasons: tuple[str, ...]


def choose(
    wanted: str,
    double: bool,
    found: Sequence[Device],
    environment: Mapping[str, str],
    test: Callable[[Device], Probe] = probe,
) -> Choice:
    """Device for this process.

    Parameters
    ----------
    wanted : 'auto', 'gpu', 'cpu', the index of a device in the list, or part of its platform or name.
    double : whether it must compute in double precision.
    found : all devices; environment : variables of the batch system.
    """
    candidates, reasons = _wanted(wanted, found)
    candidates, remarks = allocated(candidates, environment)
    reasons += remarks
    if double:
        reasons += [f"{device.title} has no double precision" for device in candidates if not device.double]
        candidates = [device for device in candidates if device.double]
    candidates, fixed = _by_task(candidates, environment)
    rates: dict[int, float] = {}
    for device in candidates:
        tested = test(device)
        if tested.failure:
            reasons.append(f"{device.title} does not work: {tested.failure}")
            continue
        rates[device.index] = tested.rate
        if fixed:
            break
    working = [device for device in candidates if device.index in rates]
    if not working:
        return Choice(None, tuple(reasons))
    device = working[0] if fixed else _fastest(working, rates)
    return Choice(device, (*reasons, _why(device, wanted, fixed, len(working), rates[device.index])))


def _why(device: Device, wanted: str, fixed: str, working: int, rate: float) -> str:
    if fixed:
        why = fixed
    elif wanted != "auto":
        why = f"asked for by GPU.device: {wanted}" + (f", the fastest of {working}" if working > 1 else "")
    else:
        why = "the only one that works" if working == 1 else f"the fastest of {working}"
    return f"device {device.index}, {device.title} ({device.kind}, {device.memory / 2**30:.0f} GiB, {rate:.0f} GFLOP/s): {why}"


def _wanted(wanted: str, found: Sequence[Device]) -> tuple[list[Device], list[str]]:
    ask = wanted.lower()
    if ask == "auto":
        chosen = [device for device in found if device.kind != "CPU"]
        left = [device for device in found if device.kind == "CPU"]
        return chosen, [] if chosen else [f"{device.title} is a CPU; GPU.device: cpu takes it" for device in left]
    if ask.isdigit():
        chosen = [device for device in found if device.index == int(ask)]
    elif ask in ("gpu", "cpu"):
        chosen = [device for device in found if device.kind.lower() == ask]
    else:
        chosen = [device for device in found if ask in f"{device.title} {device.version}".lower()]
    names = "; ".join(f"[{device.index}] {device.title}" for device in found) or "none"
    return chosen, [] if chosen else [f"GPU.device: {wanted} fits none of the OpenCL devices ({names})"]


def allocated(candidates: Sequence[Device], environment: Mapping[str, str]) -> tuple[list[Device], list[str]]:
    """Those of `candidates` that the batch system gave to this process.

    The vendors' drivers obey these variables and list only what is visible; where one lists more, the numbers in the variable choose.
    """
    kept, remarks = list(candidates), []
    for variable, vendor in _VISIBLE.items():
        if variable not in environment:
            continue
        entries = [entry.strip() for entry in environment[variable].split(",") if entry.strip()]
        mine = [device for device in candidates if device.kind == "GPU" and vendor in device.vendor.lower()]
        if len(mine) <= len(entries) and "-1" not in entries:
            continue
        if entries and not all(re.fullmatch(r"-?\d+", entry) for entry in entries):
            remarks.append(f"{variable}={environment[variable]} names devices in a way that OpenCL does not know")
            continue
        numbers = [int(entry) for entry in entries]
        visible = [mine[number] for number in numbers if 0 <= number < len(mine)]
        remarks.append(f"{variable}={environment[variable]} leaves {len(visible)} of {len(mine)} GPUs")
        kept = [device for device in kept if device not in mine or device in visible]
    return kept, remarks


def _by_task(candidates: list[Device], environment: Mapping[str, str]) -> tuple[list[Device], str]:
    """Several tasks of a job on one node share its devices in turn: this task's first, and how that was decided."""
    tasks = re.match(r"\d+", environment.get("SLURM_STEP_TASKS_PER_NODE") or environment.get("SLURM_TASKS_PER_NODE") or "1")
    local = environment.get("SLURM_LOCALID", "")
    if len(candidates) < 2 or not local.isdigit() or tasks is None or int(tasks[0]) < 2:
        return candidates, ""
    first = int(local) % len(candidates)
    return candidates[first:] + candidates[:first], f"task SLURM_LOCALID={local} of {tasks[0]} on this node, {len(candidates)} devices"


def _fastest(working: Sequence[Device], rates: Mapping[int, float]) -> Device:
    kind = min(KINDS.index(device.kind) for device in working)
    best = [device for device in working if device.kind == KINDS[kind]]
    limit = _ALIKE * max(rates[device.index] for device in best)
    return next(device for device in best if rates[device.index] >= limit)
