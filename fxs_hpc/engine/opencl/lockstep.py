"""Several reconstructions on one device: each runs the ordinary loop in a thread of its own, and they meet in every operation.

When all that still run have asked for their next operation, those that ask for the same are done together in the same launches. Then they
go on one after another, each when the one before has asked again: the interpreter lets one run at a time anyway, and hundreds that
contend for it cost more than the device's work.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from fxs_hpc.engine.opencl.engine import Operation
from fxs_hpc.engine.opencl.members import Member


class _Request:
    """What a member waits for, on a lock of its own."""

    def __init__(self, member: Member, key: Hashable, operation: Operation) -> None:
        self.member, self.key, self.operation = member, key, operation
        self.result: Any = None
        self.failure: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


class Lockstep:
    """`engine.opencl.engine.Turns` for `count` members, each in a thread; a thread that ends must `leave`."""

    def __init__(self, count: int) -> None:
        self._running = count
        self._requests: list[_Request] = []
        self._served: deque[_Request] = deque()
        self._device = threading.RLock()

    def take(self, member: Member, key: Hashable, operation: Operation) -> Any:
        """See `Turns.take`; returns when everybody who runs has asked for something."""
        request = _Request(member, key, operation)
        with self._device:
            self._requests.append(request)
            self._carry_out()
            self._wake_next()
        request.done.acquire()
        if request.failure is not None:
            raise request.failure
        return request.result

    def alone(self, work: Callable[[], Any]) -> Any:
        """See `Turns.alone`."""
        with self._device:
            return work()

    def leave(self) -> None:
        """The calling thread asks for nothing any more."""
        with self._device:
            self._running -= 1
            self._carry_out()
            self._wake_next()

    def _wake_next(self) -> None:
        if self._served:
            self._served.popleft().done.release()

    def _carry_out(self) -> None:
        if len(self._requests) < self._running or not self._requests:
            return
        groups: dict[Hashable, list[_Request]] = {}
        for request in sorted(self._requests, key=lambda request: request.member.number):
            groups.setdefault(request.key, []).append(request)
        self._requests = []
        for group in groups.values():
            _together(group)
            self._served.extend(group)


def _together(group: list[_Request]) -> None:
    try:
        results = group[0].operation([request.member for request in group])
    except Exception as error:  # it belongs to the threads that asked
        for request in group:
            request.failure = error
        return
    for position, request in enumerate(group):
        request.result = None if results is None else results[position]
