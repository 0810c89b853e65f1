"""`fxs-hpc` as a user types it, in a working directory, with SLURM in the environment."""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

LONGEST = 100.0
"""Seconds after which a pipeline that has not ended is a fault."""


@dataclass(frozen=True)
class Console:
    """A working directory and an environment."""

    home: Path
    environment: dict[str, str]

    def __call__(self, *words: str, code: int = 0) -> str:
        """Output of `fxs-hpc WORDS`, whose exit status must be `code`."""
        result = self.run(sys.executable, "-m", "fxs_hpc", *words)
        assert result.returncode == code, f"{words}: exit status {result.returncode}\n{result.stdout}{result.stderr}\n{self.logs()}"
        return result.stdout + result.stderr

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Any command."""
        return subprocess.run(list(words), cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def slurm(self, *words: str) -> str:
        """Output of a command of SLURM, which must work."""
        result = self.run(*words)
        assert result.returncode == 0, f"{words}: {result.stderr}"
        return result.stdout

    def states(self, pipeline: str = "fxs") -> dict[str, str]:
        """Stage -> state, as `status` shows them."""
        lines = self("status", pipeline).splitlines()[2:]
        cells = [re.split(r"\s{2,}", line.strip()) for line in lines if line.startswith("  ")]
        return {row[0]: row[1] for row in cells if len(row) > 1}

    def wait_until(self, what: str, reached, longest: float = LONGEST) -> None:
        """Wait until `reached()`."""
        end = time.monotonic() + longest
        while not reached():
            assert time.monotonic() < end, f"{what} has not come\n{self('status')}\n{self.slurm('squeue')}\n{self.logs()}"
            time.sleep(0.5)

    def wait(self, longest: float = LONGEST) -> None:
        """Wait until no job of this directory is in the queue, those left that wait for a failed one."""
        self.wait_until("the end of all jobs", lambda: not self.queue(), longest)

    def queue(self) -> list[str]:
        """Numbers of the jobs of this directory that wait or run."""
        lines = self.slurm("squeue", "-h", "-r", "-o", "%i|%T|%Z").splitlines()
        return [line.split("|")[0] for line in lines if line.endswith(f"|{self.home}")]

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"==> {path}\n{path.read_text()[-1500:]}" for path in sorted(self.home.glob("jobs/*/*_log.out")))
