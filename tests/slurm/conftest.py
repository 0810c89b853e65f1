"""A real SLURM of one node for these tests, started where it may be installed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))
CLUSTER = Path(__file__).parent / "cluster.sh"
PATIENCE = 240
"""Seconds for the packages to be installed and the daemons to start."""


@pytest.fixture(scope="session")
def slurm() -> Iterator[dict[str, str]]:
    """Environment in which the commands of SLURM work; skipped, with the reason, where it cannot be started."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("one SLURM for all of these tests: run them in one process, python -m pytest -m slurm")
    if os.geteuid() != 0:
        pytest.skip("only root can start a SLURM of its own")
    try:
        started = subprocess.run([str(CLUSTER), "up"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        if started.returncode:
            pytest.skip(f"SLURM cannot be started: {(started.stderr.strip().splitlines() or ['no message'])[-1]}")
        name, _, value = started.stdout.strip().splitlines()[-1].partition("=")
        yield {**os.environ, name: value, "OPENBLAS_NUM_THREADS": "1"}
    finally:
        subprocess.run([str(CLUSTER), "down"], timeout=60, check=False)
