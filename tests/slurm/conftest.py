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
    if os.geteuid() != 0:
        pytest.skip("only root can start a SLURM of its own")
    own = {**os.environ, **_place()}
    try:
        started = subprocess.run([str(CLUSTER), "up"], capture_output=True, text=True, timeout=PATIENCE, check=False, env=own)
        if started.returncode:
            pytest.skip(f"SLURM cannot be started: {(started.stderr.strip().splitlines() or ['no message'])[-1]}")
        name, _, value = started.stdout.strip().splitlines()[-1].partition("=")
        yield {**os.environ, name: value, "OPENBLAS_NUM_THREADS": "1"}
    finally:
        subprocess.run([str(CLUSTER), "down"], timeout=60, check=False, env=own)


def _place() -> dict[str, str]:
    """Folder and ports of this process's SLURM: each process that runs tests has one of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker:
        return {}
    return {"FXS_HPC_SLURM_DIR": f"/tmp/fxs-hpc-slurm-{worker}", "FXS_HPC_SLURM_PORT": str(26840 + 20 * int(worker))}
