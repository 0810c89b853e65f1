"""Devices are listed and tried in a process of their own: a broken driver may end the process that touches it.

The process that asks and the one that answers exchange lines of JSON. A driver that ends the latter costs one device: the next question
starts a new process. Kernels are compiled anew there, because one from a cache would say nothing of the compiler.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from types import TracebackType
from typing import IO, Any

from fxs_hpc.engine.opencl import devices
from fxs_hpc.engine.opencl.devices import Device, Probe

COMMAND = (sys.executable, "-m", "fxs_hpc.engine.opencl.prober")
PATIENCE = 120.0
"""Seconds after which a driver that does not answer is given up."""

_NO_CACHES = {"POCL_KERNEL_CACHE": "0", "PYOPENCL_NO_CACHE": "1", "CUDA_CACHE_DISABLE": "1"}
_PLAIN = tuple(field.name for field in fields(Device) if field.name != "handle")


class Prober:
    """Asks the drivers of this machine, from a distance. Use it in a `with` statement.

    Parameters
    ----------
    command : the process that answers; patience : seconds until one that does not is ended.
    """

    def __init__(self, command: Sequence[str] = COMMAND, patience: float = PATIENCE) -> None:
        self._command, self._patience = tuple(command), patience
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[str] | None = None

    def __enter__(self) -> "Prober":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def devices(self) -> tuple[list[Device], list[str]]:
        """All devices of all platforms (without handles), and remarks on what could not be asked."""
        answer, failure = self._ask("list")
        if failure:
            return [], [f"no OpenCL driver can be asked: {failure}"]
        return [Device(**found) for found in answer["devices"]], list(answer["remarks"])

    def probe(self, device: Device) -> Probe:
        """Outcome of building and running a kernel on `device`."""
        answer, failure = self._ask(f"probe {device.index}")
        return Probe(0.0, failure) if failure else Probe(answer["rate"], answer["failure"])

    def _ask(self, question: str) -> tuple[dict[str, Any], str]:
        """The answer, or why there is none."""
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            answered, _, _ = select.select([process.stdout], [], [], self._patience)
            line = process.stdout.readline() if answered else None
        except BrokenPipeError:
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer, ""
        return {}, self._end(waiting=line is not None)

    def _start(self) -> None:
        self._said = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, env={**os.environ, **_NO_CACHES}
        )

    def _end(self, waiting: bool = False) -> str:
        """End the other process, or wait for its end; says in words how it ended, and its last line."""
        if self._process is None or self._said is None:
            return ""
        if not waiting:
            self._process.kill()
        self._process.communicate()
        self._said.seek(0)
        last = (self._said.read().strip().splitlines() or [""])[-1]
        how = _how(self._process.returncode) if waiting else f"its driver did not answer within {self._patience:g} s"
        self._said.close()
        self._process = self._said = None
        return f"{how}{': ' if last else ''}{last[:200]}"


def _how(code: int) -> str:
    return f"its driver ended the process that tried it ({signal.Signals(-code).name if code < 0 else f'exit status {code}'})"


def _answer(question: str) -> dict[str, Any]:
    found, remarks = devices.devices()
    if question == "list":
        return {"devices": [{name: getattr(device, name) for name in _PLAIN} for device in found], "remarks": remarks}
    return asdict(devices.probe(found[int(question.split()[1])]))


def main() -> None:
    """Answer questions until there are none."""
    # What drivers print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(_answer(line.strip())) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
