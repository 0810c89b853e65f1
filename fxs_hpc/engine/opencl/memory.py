"""What reconstructions need on a device, known before anything is allocated."""

from dataclasses import dataclass

from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry, Precision
from fxs_hpc.engine.opencl.constants import Layout
from fxs_hpc.engine.opencl.plane_constants import PlaneLayout

_SHARE = {"GPU": 0.85, "accelerator": 0.85, "CPU": 0.5}
"""Of a device's memory that we use. A CPU's is that of the whole machine."""

_FULL = {"GPU": 4e7, "accelerator": 4e7, "CPU": 2e6}
"""Voxels of a batch from which on more gain nothing. A large GPU is full with 16 reconstructions on the grid of (128, 63), a CPU with one;
of the plane's small ones it takes many more."""

_MOST = {"GPU": 256, "accelerator": 256, "CPU": 16}
"""Reconstructions in a batch at most, unless more are asked for: each has a thread."""


@dataclass(frozen=True)
class Need:
    """Bytes on the device: of each reconstruction, of its largest buffer, and of what all of them share; and its voxels."""

    each: int
    largest_buffer: int
    shared: int
    voxels: int

    def of(self, members: int) -> int:
        """Bytes of a batch."""
        return self.shared + members * self.each

    def useful(self, kind: str) -> int:
        """Reconstructions that fill a device of this kind."""
        return max(1, min(_MOST[kind], round(_FULL[kind] / self.voxels)))

    def members(self, kind: str, memory: int, largest_buffer: int, wanted: int, limit: int | None = None) -> int:
        """How many reconstructions make a batch on a device (0: not even one fits)."""
        room = int((_SHARE[kind] * memory - self.shared) // self.each)
        return max(0, min(wanted, limit or self.useful(kind), room, largest_buffer // self.largest_buffer))


def need(geometry: Geometry | PlaneGeometry, constraints: Constraints, precision: Precision, double: bool) -> Need:
    """What reconstructions of these grids need; `double`: whether the device sums in double precision."""
    real = 4 if precision == "single" else 8
    if isinstance(geometry, PlaneGeometry):
        # Runs of the fewest points have the most sums.
        plane = PlaneLayout(geometry, constraints, run=8)
        return _need(plane, real, 8 if double else real, _plane_numbers(plane), plane.points * plane.stored)
    space = Layout(geometry, constraints)
    return _need(space, real, 8 if double else real, _numbers(space), space.parts * space.voxels // 2)


def _need(layout: Layout | PlaneLayout, real: int, acc: int, shared: tuple[int, int], frozen: int) -> Need:
    sizes = layout.sizes
    buffers = [real * count for count in sizes.real.values()] + [acc * count for count in sizes.acc.values()] + list(sizes.bytes_.values())
    # What is frozen, and its coefficients; means of inner shells.
    rare = frozen + sizes.real["intensity"] + 2 * layout.parts * layout.stored * (layout.half + 1)
    each = sizes.total(real, acc) + layout.half * layout.stored + real * rare
    numbers, tables = shared
    return Need(each, max(buffers), real * numbers + tables, layout.voxels)


def _numbers(layout: Layout) -> tuple[int, int]:
    """Numbers of the matrices, and bytes of the tables of products (36 for each tile)."""
    order, stored = layout.order, layout.stored
    legendre = 2 * layout.half * ((order + 1) ** 2 + (layout.intensity_order + 1) ** 2)
    columns = sum((place.width + place.columns) * stored for place in layout.polar.orders)
    return 2 * (order + 1) * stored**2 + legendre + columns, 36 * 40 * (order + 1) ** 2 * max(1, stored // 64)


def _plane_numbers(layout: PlaneLayout) -> tuple[int, int]:
    rows = len(layout.intensity_orders)
    waves = (8 if layout.sides == 2 else 16) * layout.points * len(layout.orders) + 4 * layout.points * rows
    return 2 * (layout.order + 1) * layout.stored**2 + waves + 3 * rows * layout.stored, 36 * 100 * (len(layout.orders) + 8)
