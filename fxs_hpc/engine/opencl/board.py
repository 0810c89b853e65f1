"""Memory of a batch of reconstructions on a device, and the launches of its kernels: what sphere and plane have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry, Precision
from fxs_hpc.engine.opencl.constants import Sizes
from fxs_hpc.engine.opencl.products import Launch
from fxs_hpc.engine.opencl.program import Shape, build

_READ_WRITE, _READ = cl.mem_flags.READ_WRITE, cl.mem_flags.READ_ONLY


@dataclass(frozen=True)
class Arithmetic:
    """Types of numbers: of the fields, and of sums and polar factors (double where the device has it)."""

    real: np.dtype
    acc: np.dtype

    @classmethod
    def of(cls, precision: Precision, double: bool) -> "Arithmetic":
        """For a precision of the fields, on a device that has double precision or not."""
        real = np.dtype(np.float32 if precision == "single" else np.float64)
        return cls(real, np.dtype(np.float64) if double else real)


class Arrangement(Protocol):
    """How a reconstruction lies in memory: rings of points, in space of half a sphere and their antipodes."""

    parts: int
    sides: int
    """2 where a field is held as points and their antipodes, else 1."""
    half: int
    """Rings of one side."""
    length: int
    """Points of a ring."""
    shells: int
    stored: int

    def filled(self, shells: int) -> int:
        """How many shells to compute where all beyond `shells` are 0 or do not count."""

    @property
    def voxels(self) -> int:
        """Grid points stored."""

    @property
    def sizes(self) -> Sizes:
        """What one member takes."""

    def folded(self, density: NDArray, real: np.dtype) -> NDArray:
        """Density, in the shape of the geometry -> (parts, sides, half, length, stored)."""

    def unfolded(self, field: NDArray) -> NDArray:
        """Inverse of `folded`."""

    def folded_support(self, support: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Support -> (sides, half, length, stored)."""

    def unfolded_support(self, field: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Inverse of `folded_support`."""

    def density_from_snapshot(self, density: NDArray, real: np.dtype) -> NDArray:
        """As the engine of the CPU holds it -> (parts, sides, half, length, stored)."""

    def density_to_snapshot(self, field: NDArray) -> NDArray:
        """Inverse of `density_from_snapshot`."""

    def from_snapshot(self, array: NDArray, kind: np.dtype) -> NDArray:
        """Support or frozen intensity as the engine of the CPU holds it -> (points, half, length, stored)."""

    def to_snapshot(self, field: NDArray) -> NDArray:
        """Inverse of `from_snapshot`."""


@dataclass(frozen=True)
class _Table:
    """A table of products on the device, and the kernel with its arguments, which never change."""

    count: int
    together: bool
    buffer: cl.Buffer
    kernel: cl.Kernel


class Board:
    """Buffers of `members` reconstructions of one problem, program and queue.

    Parameters
    ----------
    double : whether the device computes in double precision.
    layout, shape : of the memory, and how kernels are cut.
    text : of the program.
    matrices : methods that list the products of a step.
    """

    def __init__(
        self,
        device: cl.Device,
        geometry: Geometry | PlaneGeometry,
        constraints: Constraints,
        members: int,
        double: bool,
        arithmetic: Arithmetic,
        layout: Arrangement,
        shape: Shape,
        text: str,
        matrices: Any,
    ) -> None:
        self.constraints, self.members, self.arithmetic, self.shape = constraints, members, arithmetic, shape
        self.radial, self.matrices, self.arrangement = geometry.radial, matrices, layout
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        self._program = build(self.context, text, double)
        self._kernels = {kernel.function_name: kernel for kernel in self._program.all_kernels()}
        self._given: dict[str, tuple[Any, ...]] = {}
        self._working: list[tuple[int, int, int, int]] = []
        self._tables: dict[tuple[Any, ...], _Table | None] = {}
        self.launches = 0
        self.buffers: dict[str, cl.Buffer] = {}
        self._sizes = layout.sizes.real
        self._allocate()
        self._upload_weights()

    def _allocate(self) -> None:
        layout, sizes, types = self.arrangement, self.arrangement.sizes, self.arithmetic
        for of, item in ((sizes.real, types.real.itemsize), (sizes.bytes_, 1), (sizes.acc, types.acc.itemsize)):
            for name, count in of.items():
                # Rings near the poles of synthesised spectra are never written, and padding shells must be zero.
                self._zeros(name, self.members * count * item)
        self._zeros("touched", self.members * layout.half * layout.stored)
        self._zeros("range", 2 * self.members * types.real.itemsize)
        self._zeros("sums", 3 * self.members * types.acc.itemsize)
        self._zeros("members", 16 * self.members)
        self._zeros("means", self.members * 2 * layout.parts * layout.stored * types.real.itemsize)
        if self.constraints.averaged_shells:
            self._zeros("inner", self.members * layout.half * 2 * layout.parts * layout.stored * types.real.itemsize)
        self.upload("factors", np.ones(self.members, types.real))

    def _zeros(self, name: str, size: int) -> None:
        self.buffers[name] = cl.Buffer(self.context, _READ_WRITE, size)
        cl.enqueue_fill_buffer(self.queue, self.buffers[name], np.zeros(1, np.uint8), 0, size)

    def _upload_weights(self) -> None:
        layout, real, acc, radial = self.arrangement, self.arithmetic.real, self.arithmetic.acc, self.radial
        self.upload("constants", self.matrices.constants())
        self.upload("error_weights", self._shells(self._error_weights(), acc))
        self.upload("volume_weights", self._shells(radial.r_weights, acc))
        self.upload("q_weights", self._shells(radial.q_weights, acc))
        inner, places = self.constraints.stabilised_from, np.arange(layout.stored)
        self.upload("ring_weights", self.ring_weights().astype(acc))
        self.upload("zeros", np.zeros(layout.stored, real))
        self.upload("ones", np.ones(layout.stored, real))
        self.upload("stabilised", (places >= inner).astype(real))
        self.upload("averaged", (places < self.constraints.averaged_shells).astype(real))

    def _error_weights(self) -> NDArray[np.float64]:
        """(N,) weights of the radial integral in the error."""
        given = self.constraints.error_radial_weights
        return self.radial.r_weights if given is None else given

    def _shells(self, values: NDArray, kind: np.dtype) -> NDArray:
        padded = np.zeros(self.arrangement.stored, kind)
        padded[: self.arrangement.shells] = values
        return padded

    def ring_weights(self) -> NDArray[np.float64]:
        """(half,) quadrature weights of the rings of one side, for sums over their points."""
        raise NotImplementedError

    def shells(self, values: NDArray) -> NDArray:
        """Values per shell in the precision of the fields, zero in the padding."""
        return self._shells(values, self.arithmetic.real)

    # --- transfers

    def upload(self, name: str, array: NDArray) -> None:
        """Make or overwrite the constant buffer `name`."""
        array = np.ascontiguousarray(array)
        if name not in self.buffers:
            self.buffers[name] = cl.Buffer(self.context, _READ, array.nbytes)
        cl.enqueue_copy(self.queue, self.buffers[name], array, is_blocking=True)

    def write(self, name: str, place: int, array: NDArray) -> None:
        """Array -> buffer `name` at the `place`-th piece of the array's size."""
        array = np.ascontiguousarray(array)
        cl.enqueue_copy(self.queue, self.buffers[name], array, dst_offset=place * array.nbytes, is_blocking=True)

    def read(self, name: str, place: int, shape: tuple[int, ...], kind: np.dtype) -> NDArray:
        """The `place`-th array of `shape` in the buffer `name`."""
        array = np.empty(shape, kind)
        cl.enqueue_copy(self.queue, array, self.buffers[name], src_offset=place * array.nbytes, is_blocking=True)
        return array

    def reserve(self, name: str, size: int) -> None:
        """Make the buffer `name` of `size` bytes if there is none."""
        if name not in self.buffers:
            self._zeros(name, size)

    def set_members(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """Who works from now on: (member, source slot, target slot, support slot) each."""
        if list(rows) != self._working:
            cl.enqueue_copy(self.queue, self.buffers["members"], np.array(rows, np.int32), is_blocking=True)
            self._working = list(rows)

    # --- launches

    def run(self, name: str, groups: tuple[int, int, int], items: int, *arguments: Any) -> None:
        """Kernel `name` over `groups` groups of `items` items; arguments that are text name buffers."""
        if not all(groups):
            return
        kernel = self._kernels[name]
        # Setting arguments takes as long as starting a kernel, and most stay as they were in the last step.
        if self._given.get(name) != arguments:
            kernel.set_args(*(self.buffers[argument] if isinstance(argument, str) else argument for argument in arguments))
            self._given[name] = arguments
        self.launches += 1
        cl.enqueue_nd_range_kernel(self.queue, kernel, (groups[0] * items, *groups[1:]), (items, 1, 1))

    def rings(self, name: str, shells: int, rows: int, count: int, *arguments: Any) -> None:
        """A kernel whose groups take some shells of one ring, for `count` members."""
        shape = self.shape
        self.run(name, (-(-shells // shape.lanes), rows, count), shape.items_r * shape.items_phi, *arguments, "members")

    def multiply(self, key: str, count: int, *arguments: Any) -> None:
        """The products that `matrices.<key>(*arguments)` lists, for `count` members."""
        name = (key, *arguments)
        if name not in self._tables:
            listed = getattr(self.matrices, key)(*arguments)
            self._tables[name] = None if listed is None else self._table(listed)
        table = self._tables[name]
        if table is not None:
            across, down = self.shape.product_items
            self.launches += 1
            cl.enqueue_nd_range_kernel(
                self.queue, table.kernel, (table.count * across, down, 1 if table.together else count), (across, down, 1)
            )

    def strides(self) -> Mapping[str, int]:
        """Numbers from one member to the next, per buffer of fields."""
        return {**self._sizes, "frozen_coefficients": self._sizes["intensity"]}

    def _table(self, listed: Launch) -> _Table:
        buffer = cl.Buffer(self.context, _READ | cl.mem_flags.COPY_HOST_PTR, hostbuf=np.ascontiguousarray(listed.tiles))
        kernel = cl.Kernel(self._program, "multiply")
        operands: list[Any] = []
        for operand in (listed.left, listed.right, listed.result):
            operands += [self.buffers[operand], np.uint64(0 if listed.together else self.strides().get(operand, 0))]
        kernel.set_args(*operands, buffer, self.buffers["members"])
        return _Table(len(listed.tiles), listed.together, buffer, kernel)

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables of products made so far."""
        return sum(table.buffer.size for table in self._tables.values() if table is not None)

    def size(self, name: str) -> int:
        """Numbers of one member in a buffer of fields."""
        return self._sizes[name]
