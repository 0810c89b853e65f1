"""Reconstructions in space on a device: their constants beside what `Board` holds."""

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.engine.opencl.board import Arithmetic, Board
from fxs_hpc.engine.opencl.constants import Layout, Matrices
from fxs_hpc.engine.opencl.program import Shape, shape_for, source


class SphereBoard(Board):
    """Board of reconstructions in space.

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
        arithmetic, self.layout, self.geometry = Arithmetic.of(precision, double), Layout(geometry, constraints), geometry
        cut = shape or shape_for(device, arithmetic.real, arithmetic.acc, self.layout.length)
        matrices = Matrices(geometry, constraints, self.layout, arithmetic.real, cut.tiling)
        text = source(geometry, constraints, cut, arithmetic.real, arithmetic.acc)
        super().__init__(device, geometry, constraints, members, double, arithmetic, self.layout, cut, text, matrices)
        self._upload_constants()

    def _upload_constants(self) -> None:
        layout, real = self.layout, self.arithmetic.real
        n, reciprocal = layout.shells, self.constraints.reciprocal
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

    def ring_weights(self) -> NDArray[np.float64]:
        """See `Board.ring_weights`."""
        return self.geometry.angular.theta_weights[: self.layout.half]

    def coefficients(self, name: str, order: int, count: int, *arguments: object) -> None:
        """A kernel over the coefficients up to `order`."""
        across, items = self.layout.stored // self.shape.width, 16 if self.shape.items_r > 1 or self.shape.items_phi > 1 else 1
        self.run(name, (across // items, order + 1, count * (order + 1)), items, *arguments, "members")
