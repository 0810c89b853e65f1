"""What reconstructions need on a device, known before anything is allocated."""

from dataclasses import dataclass

from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.engine.opencl.constants import Layout

_SHARE = {"GPU": 0.85, "accelerator": 0.85, "CPU": 0.5}
"""Of a device's memory that we use. A CPU's is that of the whole machine."""

_USEFUL = {"GPU": 16, "accelerator": 16, "CPU": 1}
"""Reconstructions in one batch from which on more gain nothing: those fill a large GPU. A CPU is full with one."""


@dataclass(frozen=True)
class Need:
    """Bytes on the device: of each reconstruction, of its largest buffer, and of what all of them share."""

    each: int
    largest_buffer: int
    shared: int

    def of(self, members: int) -> int:
        """Bytes of a batch."""
        return self.shared + members * self.each

    def members(self, kind: str, memory: int, largest_buffer: int, wanted: int, limit: int | None = None) -> int:
        """How many reconstructions make a batch on a device (0: not even one fits)."""
        room = int((_SHARE[kind] * memory - self.shared) // self.each)
        return max(0, min(wanted, limit or _USEFUL[kind], room, largest_buffer // self.largest_buffer))


def need(geometry: Geometry, constraints: Constraints, precision: Precision, double: bool) -> Need:
    """What reconstructions of these grids need; `double`: whether the device sums in double precision."""
    layout = Layout(geometry, constraints)
    real = 4 if precision == "single" else 8
    acc = 8 if double else real
    sizes = layout.sizes
    order, stored = layout.order, layout.stored
    hankel = 2 * (order + 1) * stored**2
    legendre = 2 * layout.half * ((order + 1) ** 2 + (layout.intensity_order + 1) ** 2)
    columns = sum((place.width + place.columns) * stored for place in layout.polar.orders)
    buffers = [real * count for count in sizes.real.values()] + [acc * count for count in sizes.acc.values()] + list(sizes.bytes_.values())
    # The tables of products: 36 bytes for each tile.
    tables = 36 * 40 * (order + 1) ** 2 * max(1, stored // 64)
    return Need(sizes.total(real, acc) + layout.half * stored, max(buffers), real * (hankel + legendre + columns) + tables)
