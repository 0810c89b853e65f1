"""EMC.log: seconds and change of every flag, for people."""

from pathlib import Path
from typing import NamedTuple


class RunHead(NamedTuple):
    """First line: what a run works on. `coarse` is the number of coarse rotations of a local update."""

    ranks: int
    rotations: int
    frames: int
    pixels: int
    coarse: int | None = None


def begin(path: Path, head: RunHead, fresh: bool) -> None:
    """Start the file, or (not `fresh`) a continued run in it."""
    coarse = f"num_coarse_rot = {head.coarse}    " if head.coarse is not None else ""
    with path.open("w" if fresh else "a") as stream:
        stream.write(f"nproc = {head.ranks}    {coarse}num_rot = {head.rotations}    num_data = {head.frames}    num_pix = {head.pixels}\n")


def append(path: Path, iteration: int, kind: str, seconds: float, angle: float, last_of_iteration: bool) -> None:
    """One flag: kind 'intensity' or 'phi', wall seconds, change in degrees."""
    what = "updating vox_val takes =" if kind == "intensity" else "updating phi takes"
    with path.open("a") as stream:
        stream.write(f"iter = {iteration}:\n\t{what} {seconds:.0f} sec, arg_angle =  {angle:.5e} degrees\n")
        if last_of_iteration:
            stream.write("\n")
