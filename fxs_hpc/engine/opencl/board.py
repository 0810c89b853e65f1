"""Memory of a batch of reconstructions on a device, and the launches of its kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.engine.opencl.constants import Layout, Matrices
from fxs_hpc.engine.opencl.products import Launch
from fxs_hpc.engine.opencl.program import Shape, build, graphics_shape, processor_shape, source

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


def shape_for(device: cl.Device, arithmetic: Arithmetic, n_phi: int) -> Shape:
    """How kernels are cut for `device`."""
    if device.type & cl.device_type.CPU:
        return processor_shape(arithmetic.real, arithmetic.acc)
    return graphics_shape(arithmetic.real, n_phi, device.local_mem_size, device.max_work_group_size)


@dataclass(frozen=True)
class _Table:
    """A table of products on the device, and the kernel with its arguments, which never change."""

    count: int
    buffer: cl.Buffer
    kernel: cl.Kernel


class Board:
    """Buffers of `members` reconstructions of one problem, constants, program and queue.

    Parameters
    ----------
    double : whether the device computes in double precision (then sums and polar factors are).
    shape : how to cut the kernels, by default to suit the device.
    """

    def __init__(
        self,
        device: cl.Device,
        geometry: Geometry,
        constraints: Constraints,
        precision: Precision,
        members: int = 1,
        double: bool = True,
        shape: Shape | None = None,
    ) -> None:
        self.geometry, self.constraints, self.members = geometry, constraints, members
        self.arithmetic = Arithmetic.of(precision, double)
        self.layout = Layout(geometry, constraints)
        self.shape = shape or shape_for(device, self.arithmetic, self.layout.length)
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        self.matrices = Matrices(geometry, constraints, self.layout, self.arithmetic.real, self.shape.tiling)
        text = source(geometry, constraints, self.shape, self.arithmetic.real, self.arithmetic.acc)
        self._program = build(self.context, text, double)
        self._kernels = {kernel.function_name: kernel for kernel in self._program.all_kernels()}
        self._given: dict[str, tuple[Any, ...]] = {}
        self._working: list[tuple[int, int, int, int]] = []
        self._tables: dict[tuple[Any, ...], _Table | None] = {}
        self.buffers: dict[str, cl.Buffer] = {}
        self._sizes = self.layout.sizes.real
        self._allocate()
        self._upload_constants()

    def _allocate(self) -> None:
        sizes, types = self.layout.sizes, self.arithmetic
        for of, item in ((sizes.real, types.real.itemsize), (sizes.bytes_, 1), (sizes.acc, types.acc.itemsize)):
            for name, count in of.items():
                self.buffers[name] = cl.Buffer(self.context, _READ_WRITE, self.members * count * item)
                # Rings near the poles of synthesised spectra are never written, and padding shells must be zero.
                cl.enqueue_fill_buffer(self.queue, self.buffers[name], np.zeros(1, np.uint8), 0, self.members * count * item)
        self.buffers["touched"] = cl.Buffer(self.context, _READ_WRITE, self.members * self.layout.half * self.layout.stored)
        self.buffers["range"] = cl.Buffer(self.context, _READ_WRITE, 2 * self.members * types.real.itemsize)
        self.buffers["sums"] = cl.Buffer(self.context, _READ_WRITE, 3 * self.members * types.acc.itemsize)
        self.buffers["members"] = cl.Buffer(self.context, _READ_WRITE, 16 * self.members)

    def _upload_constants(self) -> None:
        layout, real, acc = self.layout, self.arithmetic.real, self.arithmetic.acc
        n, grid, reciprocal = layout.shells, self.geometry.angular, self.constraints.reciprocal
        self.upload("constants", self.matrices.constants())
        self.upload("ring_weights", grid.theta_weights[: layout.half].astype(acc))
        given = self.constraints.error_radial_weights
        self.upload("error_weights", self._shells(self.geometry.radial.r_weights if given is None else given, acc))
        self.upload("volume_weights", self._shells(self.geometry.radial.r_weights, acc))
        self.upload("q_weights", self._shells(self.geometry.radial.q_weights, acc))
        self.upload("polar_table", layout.polar.table() if layout.polar.orders else np.zeros(5, np.int32))
        kinds, known = np.zeros(layout.intensity_order + 1, np.int32), np.zeros((layout.intensity_order + 1, layout.stored), real)
        for l, (_, _, where) in self.matrices.projection.orders.items():
            kinds[l], known[l] = 1, where
        average = np.zeros(n)
        if reciprocal.spherical_average is not None:
            kinds[0], known[0, :n], average = 2, reciprocal.known[0], reciprocal.spherical_average
        self.upload("kinds", kinds)
        self.upload("known", known)
        self.upload("average", self._shells(average, real))
        inner = self.constraints.stabilised_from
        if inner:
            self.upload("inner_columns", self.matrices.inner_columns(inner).astype(real))
        self.upload("zeros", np.zeros(layout.stored, real))
        self.upload("ones", np.ones(layout.stored, real))
        self.upload("stabilised", (np.arange(layout.stored) >= inner).astype(real))

    def _shells(self, values: NDArray, kind: np.dtype) -> NDArray:
        padded = np.zeros(self.layout.stored, kind)
        padded[: self.layout.shells] = values
        return padded

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
            self.buffers[name] = cl.Buffer(self.context, _READ_WRITE, size)

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
        cl.enqueue_nd_range_kernel(self.queue, kernel, (groups[0] * items, *groups[1:]), (items, 1, 1))

    def rings(self, name: str, shells: int, rows: int, count: int, *arguments: Any) -> None:
        """A kernel whose groups take some shells of one ring, for `count` members."""
        shape = self.shape
        self.run(name, (shells // shape.lanes, rows, count), shape.items_r * shape.items_phi, *arguments, "members")

    def coefficients(self, name: str, order: int, count: int, *arguments: Any) -> None:
        """A kernel over the coefficients up to `order`."""
        across, items = self.layout.stored // self.shape.width, 16 if self.shape.items_r > 1 or self.shape.items_phi > 1 else 1
        self.run(name, (across // items, order + 1, count * (order + 1)), items, *arguments, "members")

    def multiply(self, key: str, count: int, *arguments: Any) -> None:
        """The products that `Matrices.<key>(*arguments)` lists, for `count` members."""
        name = (key, *arguments)
        if name not in self._tables:
            listed = getattr(self.matrices, key)(*arguments)
            self._tables[name] = None if listed is None else self._table(listed)
        table = self._tables[name]
        if table is not None:
            across, down = self.shape.product_items
            cl.enqueue_nd_range_kernel(self.queue, table.kernel, (table.count * across, down, count), (across, down, 1))

    def _table(self, listed: Launch) -> _Table:
        buffer = cl.Buffer(self.context, _READ | cl.mem_flags.COPY_HOST_PTR, hostbuf=np.ascontiguousarray(listed.tiles))
        kernel = cl.Kernel(self._program, "multiply")
        operands: list[Any] = []
        for operand in (listed.left, listed.right, listed.result):
            operands += [self.buffers[operand], np.uint64(self._sizes.get(operand, 0))]
        kernel.set_args(*operands, buffer, self.buffers["members"])
        return _Table(len(listed.tiles), buffer, kernel)

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables of products made so far."""
        return sum(table.buffer.size for table in self._tables.values() if table is not None)

    def size(self, name: str) -> int:
        """Numbers of one member in a buffer of fields."""
        return self._sizes[name]
