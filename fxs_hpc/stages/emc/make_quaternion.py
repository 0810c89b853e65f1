"""`make-quaternion`: samples of the rotation group from the 600-cell."""

from math import degrees
from pathlib import Path

from fxs_hpc.config.emc.orientation import Rotations
from fxs_hpc.emc.quaternions import BLOCK, LARGEST_NUM_DIV, angular_step, blocks, sample_count
from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import quaternions
from fxs_hpc.stages.emc.context import Context, Plan

PROGRAM = 22 * 10**7
"""Bytes of Python with NumPy and Numba, kernels compiled."""


def run(context: Context, num_div: int | None = None) -> None:
    """Write the samples.

    Parameters
    ----------
    num_div : int, optional
        Divisions of the edges of the 600-cell, for aux/c-quaternion<num_div>.bin; None = quat_file, and those that its name says.
    """
    path, divisions = _target(context, num_div)
    for line in _lines(divisions):
        context.say(line)
    quaternions.write(path, sample_count(divisions), blocks(divisions))
    context.say(f"{path}: {sample_count(divisions)} rotations")
    given = context.config.path(context.config.section(Rotations).quat_file)
    if path != given:
        context.say(f"  note: config.ini names {given}; set quat_file = {path} to use the new samples")


def plan(context: Context) -> Plan:
    """Memory of a piece, disk for all samples."""
    _, divisions = _target(context, None)
    return Plan(memory=_memory(divisions), disk=quaternions.size(sample_count(divisions)), lines=_lines(divisions)[:1])


def _target(context: Context, num_div: int | None) -> tuple[Path, int]:
    if num_div is None:
        path = context.config.path(context.config.section(Rotations).quat_file)
        return path, quaternions.num_div_of(path)
    if num_div > LARGEST_NUM_DIV:
        raise UsageError(f"num_div = {num_div}: at most {LARGEST_NUM_DIV}, the files count rotations in 32 bits")
    return context.home / "aux" / f"c-quaternion{num_div}.bin", num_div


def _lines(divisions: int) -> tuple[str, ...]:
    count = sample_count(divisions)
    return (
        f"{count} rotations, about {degrees(angular_step(divisions)):.2f} degrees apart (num_div = {divisions})",
        f"memory {_memory(divisions) / 1e6:.0f} MB, disk {quaternions.size(count) / 1e6:.1f} MB",
    )


def _memory(divisions: int) -> int:
    """Bytes: the program with its compiler, and quaternions, weights and records of a piece, which holds one tetrahedron at the least."""
    return PROGRAM + 3 * 40 * max(BLOCK, divisions**3 // 6)
