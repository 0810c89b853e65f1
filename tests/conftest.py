"""What all tests share."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("default")

DATA = Path(__file__).parent / "data"


def _reference_folder() -> Path:
    given = os.environ.get("FXS_HPC_REFERENCE_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of the reference program's files (with xframe/ and emc/ in it); the test is skipped where it is absent."""
    folder = _reference_folder()
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder}; set FXS_HPC_REFERENCE_DATA")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """tests/data."""
    return DATA


@pytest.fixture(scope="session")
def mpirun() -> Callable[[int], list[str]]:
    """Command that starts a program on n ranks; the test is skipped where there is no launcher."""
    beside = Path(sys.executable).with_name("mpirun")
    launcher = str(beside) if beside.exists() else shutil.which("mpirun")
    if launcher is None:
        pytest.skip("no mpirun; install MPI, or the extra fxs_hpc[mpi]")
    return lambda count: [launcher, "-np", str(count), "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]
