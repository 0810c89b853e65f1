"""The OpenCL program of one problem on one kind of device: how the kernels are cut, and their text."""

from dataclasses import dataclass
from importlib import resources

import numpy as np
import pyopencl as cl

from fxs_hpc.engine.azimuth import LARGEST_GAIN
from fxs_hpc.engine.interface import Constraints, Geometry
from fxs_hpc.engine.layout import padded
from fxs_hpc.engine.opencl import polar
from fxs_hpc.engine.opencl.plane_constants import PlaneLayout
from fxs_hpc.engine.opencl.products import Tiling
from fxs_hpc.engine.opencl.transform import fft_text
from fxs_hpc.errors import NumericalError

_COMMON, _PLANE = ("sums", "multiply", "support"), ("voxel", "plane")
_SPHERE = ("voxel", "azimuth", "update", "coefficients", "polar", "invariants")
_VECTOR_BYTES = 64


@dataclass(frozen=True)
class Shape:
    """How the kernels are cut to suit a device.

    A processor core wants one work item with explicit vectors and register tiles; a GPU wants many items side by side, each with
    single numbers, that share local memory.

    Parameters
    ----------
    width : numbers of a vector.
    items_r, items_phi : work items of a group along the shells and along phi.
    product_tile : rows and columns (in vectors) of an item's tile in matrix products; product_items : items along columns and rows.
    polar_items, polar_tile, polar_width : as above for the polar factors.
    sum_items : items that add up the error.
    """

    width: int
    items_r: int
    items_phi: int
    product_tile: tuple[int, int]
    product_items: tuple[int, int]
    polar_items: int
    polar_tile: tuple[int, int]
    polar_width: int
    sum_items: int

    @property
    def lanes(self) -> int:
        """Shells of a group along phi."""
        return self.width * self.items_r

    @property
    def tiling(self) -> Tiling:
        """Part of a matrix product that a group computes."""
        columns = self.product_tile[1] * self.product_items[0] * self.width
        one_item = self.product_items == (1, 1)
        return Tiling(0 if one_item else self.product_tile[0] * self.product_items[1], columns)


def processor_shape(real: np.dtype, acc: np.dtype) -> Shape:
    """For a CPU."""
    width = _VECTOR_BYTES // real.itemsize
    return Shape(width, 1, 1, (4, 4), (1, 1), 1, (4, 2), _VECTOR_BYTES // acc.itemsize, 1)


def graphics_shape(real: np.dtype, n_phi: int, local_memory: int, largest_group: int) -> Shape:
    """For a GPU: as many shells side by side as its local memory holds.

    Raises
    ------
    NumericalError
        Not even one ring fits.
    """
    group = min(256, largest_group)
    for lanes in (16, 8, 4, 2, 1):
        items_phi = group // lanes
        needed = (6 * n_phi * lanes + 2 * group) * real.itemsize
        if needed <= local_memory:
            return Shape(1, lanes, items_phi, (8, 4), (min(32, group), group // min(32, group)), group, (2, 2), 1, min(128, group))
    raise NumericalError(
        f"rings of {n_phi} azimuths need {(6 * n_phi + 2 * group) * real.itemsize} bytes of local memory, the device has {local_memory}; "
        "use the CPU, or lower grid.amplitude_order"
    )


def shape_for(device: cl.Device, real: np.dtype, acc: np.dtype, n_phi: int) -> Shape:
    """How kernels are cut for `device`."""
    if device.type & cl.device_type.CPU:
        return processor_shape(real, acc)
    return graphics_shape(real, n_phi, device.local_mem_size, device.max_work_group_size)


def plane_graphics_shape(real: np.dtype, largest_group: int) -> Shape:
    """For a GPU, in the plane: an item for each of 16 radii and 8 or more angles."""
    group = min(256, largest_group)
    # Small tiles of products: there are few for each reconstruction.
    product = (min(32, group), min(4, group // min(32, group)))
    return Shape(1, min(16, group), max(1, min(8, group // 16)), (8, 4), product, group, (2, 2), 1, min(64, group))


def plane_shape_for(device: cl.Device, real: np.dtype, acc: np.dtype) -> Shape:
    """How kernels are cut for `device`, in the plane."""
    if device.type & cl.device_type.CPU:
        return processor_shape(real, acc)
    return plane_graphics_shape(real, device.max_work_group_size)


def _vector_types(real: str, width: int) -> str:
    if width == 1:
        return f"typedef {real} V;\ntypedef int MASK;\ntypedef uchar BYTES;\n#define TO_MASK(bytes) ((int)(bytes))\n"
    mask = ("int" if real == "float" else "long") + str(width)
    return f"typedef {real}{width} V;\ntypedef {mask} MASK;\ntypedef uchar{width} BYTES;\n#define TO_MASK(bytes) convert_{mask}(bytes)\n"


def _product_text(name: str, kind: str, width: int, tile: tuple[int, int]) -> str:
    vector = kind if width == 1 else f"{kind}{width}"
    head = f"#define {name}_TM {tile[0]}\n#define {name}_TN {tile[1]}\n#define {name}_WIDTH {width}\ntypedef {vector} {name}_V;\n"
    return head + _file("product").replace("NAME", name).replace("VECTOR", vector).replace("TYPE", kind)


def _file(name: str) -> str:
    return (resources.files(__package__) / "kernels" / f"{name}.cl").read_text(encoding="utf-8")


def _group(items: tuple[int, ...]) -> str:
    return f"__attribute__((reqd_work_group_size({', '.join(map(str, (*items, 1, 1)[:3]))})))"


def _cut(shape: Shape, real: str, acc: str) -> dict[str, object]:
    """Definitions that all programs share."""
    items = shape.items_r * shape.items_phi
    return {
        "REAL": real,
        "ACC": acc,
        "WIDTH": shape.width,
        "ITEMS_R": shape.items_r,
        "ITEMS_PHI": shape.items_phi,
        "SYNC": "barrier(CLK_LOCAL_MEM_FENCE)" if items > 1 else "",
        "GROUP": _group((items,)),
        "PRODUCT_GROUP": _group(shape.product_items),
        "PRODUCT_LANES": shape.product_items[0],
        "PRODUCT_ROW_ITEMS": shape.product_items[1],
        "SUM_ITEMS": shape.sum_items,
        "LARGEST_GAIN_SQUARED": LARGEST_GAIN**2,
    }


def _sphere(geometry: Geometry, constraints: Constraints, shape: Shape, acc: np.dtype) -> dict[str, object]:
    order = geometry.amplitude_order
    return {
        "PARTS": 2 if geometry.complex_density else 1,
        "SIDES": 2,
        "AVERAGED": constraints.averaged_shells,
        "HALF": geometry.angular.n_theta // 2,
        "LENGTH": geometry.angular.n_phi,
        "R": padded(geometry.radial.n_points),
        "SHELLS": geometry.radial.n_points,
        "COUNT": order + 1,
        "INTENSITY_COUNT": (constraints.reciprocal.max_order if constraints.keep_unknown_orders else order) + 1,
        "POLAR_GROUP": _group((shape.polar_items,)),
        "POLAR_ITEMS": shape.polar_items,
        "POLAR_LANES": min(32, shape.polar_items),
        "POLAR_SYNC": "barrier(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE)" if shape.polar_items > 1 else "",
        "POLAR_STEPS": len(polar.weights(acc)),
        "COMPLETION": polar.COMPLETION[acc],
    }


_NAMES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def _head(defines: dict[str, object], shape: Shape, real: np.dtype, acc: np.dtype) -> str:
    text = "".join(f"#define {name} {value}\n" for name, value in ({**_cut(shape, _NAMES[real], _NAMES[acc]), **defines}).items())
    if "double" in (_NAMES[real], _NAMES[acc]):
        text = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n" + text
    return text + _vector_types(_NAMES[real], shape.width) + _file("common")


def source(geometry: Geometry, constraints: Constraints, shape: Shape, real: np.dtype, acc: np.dtype) -> str:
    """Program text for reconstructions in space."""
    text = _head(_sphere(geometry, constraints, shape, acc), shape, real, acc)
    numbers = ", ".join(f"(ACC)({value!r})" for step in polar.weights(acc) for value in step)
    text += f"__constant ACC polar_weights[] = {{{numbers}}};\n" + fft_text(geometry.angular.n_phi)
    text += _product_text("real", _NAMES[real], shape.width, shape.product_tile)
    text += _product_text("acc", _NAMES[acc], shape.polar_width, shape.polar_tile)
    return text + "".join(_file(name) for name in (*_SPHERE, *_COMMON))


def plane_source(layout: PlaneLayout, constraints: Constraints, shape: Shape, real: np.dtype, acc: np.dtype) -> str:
    """Program text for reconstructions in the plane."""
    defines: dict[str, object] = {
        "PARTS": layout.parts,
        "SIDES": layout.sides,
        "AVERAGED": constraints.averaged_shells,
        "HALF": layout.half,
        "LENGTH": layout.length,
        "R": layout.stored,
        "SHELLS": layout.shells,
        "INTENSITY_ROWS": len(layout.intensity_orders),
        "WEIGHTED": int(constraints.error_radial_weights is not None and constraints.error_radial_weights.ndim == 2),
    }
    text = _head(defines, shape, real, acc) + _product_text("real", _NAMES[real], shape.width, shape.product_tile)
    return text + "".join(_file(name) for name in (*_PLANE, *_COMMON))


def build(context: cl.Context, text: str, double: bool) -> cl.Program:
    """The compiled program.

    Raises
    ------
    NumericalError
        The device's compiler refuses it.
    """
    options = [] if double else ["-cl-single-precision-constant"]
    try:
        return cl.Program(context, text).build(options=options)
    except cl.RuntimeError as error:
        device = context.devices[0].name
        raise NumericalError(
            f"OpenCL device {device}: its compiler refuses the kernels ({str(error)[:600]}); use GPU.use: False"
        ) from error
