"""Reconstructions in the plane on a device: their constants beside what `Board` holds."""

from collections.abc import Mapping

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, PlaneGeometry, Precision
from fxs_hpc.engine.opencl.board import Arithmetic, Board
from fxs_hpc.engine.opencl.plane_constants import COEFFICIENTS, PlaneLayout, PlaneMatrices
from fxs_hpc.engine.opencl.program import Shape, plane_shape_for, plane_source


class PlaneBoard(Board):
    """Board of reconstructions in the plane.

    Parameters
    ----------
    double : whether the device computes in double precision (then sums are).
    shape : how to cut the kernels, by default to suit the device.
    """

    def __init__(
        self,
        device: cl.Device,
        geometry: PlaneGeometry,
        constraints: Constraints,
        precision: Precision,
        members: int = 1,
        double: bool = True,
        shape: Shape | None = None,
    ) -> None:
        arithmetic = Arithmetic.of(precision, double)
        cut = shape or plane_shape_for(device, arithmetic.real, arithmetic.acc)
        # An item of a CPU does a whole ring, items of a GPU a point each.
        self.layout = PlaneLayout(geometry, constraints, cut.items_phi if cut.items_phi > 1 else None)
        matrices = PlaneMatrices(geometry, constraints, self.layout, arithmetic.real, cut.tiling, members)
        text = plane_source(self.layout, constraints, cut, arithmetic.real, arithmetic.acc)
        super().__init__(device, geometry, constraints, members, double, arithmetic, self.layout, cut, text, matrices)
        self._upload_constants()

    def _error_weights(self) -> NDArray[np.float64]:
        """Weights that depend on the angle are applied point by point."""
        given = super()._error_weights()
        return np.ones(self.layout.shells) if given.ndim == 2 else given

    def _point_weights(self) -> NDArray:
        given = self.constraints.error_radial_weights
        weights = np.zeros((self.layout.n_phi, self.layout.stored), self.arithmetic.real)
        if given is None or given.ndim == 1:
            return weights[:1]
        weights[:, : self.layout.shells] = given.T
        return weights

    def _upload_constants(self) -> None:
        self.upload("point_weights", self._point_weights())
        layout, real, rows = self.layout, self.arithmetic.real, self.matrices.projection.rows
        vectors = np.zeros((len(rows.orders), 2, layout.stored), real)
        vectors[:, 0, : layout.shells], vectors[:, 1, : layout.shells] = rows.vectors.real, rows.vectors.imag
        known = np.zeros((len(rows.orders), layout.stored), real)
        known[:, : layout.shells] = rows.known
        fixed = self.constraints.reciprocal.fixed_order
        self.upload("vectors", vectors)
        self.upload("known", known)
        self.upload("fit_weights", self._shells(rows.weights, real))
        self.upload("unfitted", np.isin(rows.orders, (0, fixed)).astype(np.int32))
        self.upload("degrees", np.abs(layout.orders).astype(np.int32))
        inner = self.constraints.stabilised_from
        if inner:
            self.upload("inner_columns", self.matrices.inner_columns(inner).astype(real))

    def ring_weights(self) -> NDArray[np.float64]:
        """See `Board.ring_weights`."""
        return np.ones(self.layout.half)

    def strides(self) -> Mapping[str, int]:
        """See `Board.strides`."""
        between = dict.fromkeys(COEFFICIENTS, self.layout.stored)
        return {**super().strides(), **between, "frozen": self.layout.points * self.layout.stored}

    def coefficients(self, name: str, rows: int, count: int, *arguments: object) -> None:
        """A kernel over `rows` rows of coefficients."""
        across, items = self.layout.stored // self.shape.width, 16 if self.shape.items_r > 1 or self.shape.items_phi > 1 else 1
        self.run(name, (across // items, rows, count), items, *arguments, "members")
