"""Pieces of the kernels: the reflections near the Ewald sphere at one orientation, and the profile of a peak at one pixel.

A frame's own state is a vector of eight numbers besides its rotation R: the first three are a rotation still to be applied (zero), then
log phi, three relative changes of the lengths of a*, b*, c*, and the logarithm of the frame's s^2 over the common one.
"""

import numpy as np

from fxs_hpc.emc.compiled import piece
from fxs_hpc.emc.refinement.peak_model import SIGMAS

STATE = 8
LOG_PHI, STRAIN, LOG_VARIANCE = 3, 4, 7
FILE = __file__
TINY_BACKGROUND = 1e-10

_REACH = SIGMAS * SIGMAS
_EDGE = 1.06
"""Boxes are this much wider than the disc they hold: the projection is flat only to first order."""


@piece
def select_near(frame, lattice, rotation, count, variances, blur2, margin, active):  # type: ignore[no-untyped-def]
    """Reflections that can reach the Ewald sphere within a further rotation by `margin` (radian); their number, listed in `active`."""
    bx, by, bz = frame[2, 0], frame[2, 1], frame[2, 2]
    sphere = np.sqrt(bx * bx + by * by + bz * bz)
    found = 0
    cx = rotation[0, 0] * bx + rotation[0, 1] * by + rotation[0, 2] * bz
    cy = rotation[1, 0] * bx + rotation[1, 1] * by + rotation[1, 2] * bz
    cz = rotation[2, 0] * bx + rotation[2, 1] * by + rotation[2, 2] * bz
    for j in range(count):
        along = lattice.point[j, 0] * cx + lattice.point[j, 1] * cy + lattice.point[j, 2] * cz
        square = lattice.modulus[j] * lattice.modulus[j]
        widest = max(variances[1] + (variances[2] + blur2) * square, variances[1] + variances[3] * square)
        reach = np.sqrt(_REACH * widest * 1.3) + (margin + 0.01) * lattice.modulus[j]
        if abs(square + 2.0 * along) < reach * (2.0 * sphere + reach):
            active[found] = j
            found += 1
    return found


@piece
def place_spot(frame, lattice, rotation, state, variances, blur2, j, spot):  # type: ignore[no-untyped-def]
    """Where reflection j lies; False if it does not touch the Ewald sphere.

    spot: 0-2 its vector g in the laboratory, 3 |g|, 4 T, 5 Q, 6 s^2, 7 s0^3 / (T sqrt(Q)), 8 reach^2, 9-10 flat position, 11 half width of
    the box in which its pixels lie, 12 distance from the sphere.
    """
    hx, hy, hz = lattice.point[j, 0], lattice.point[j, 1], lattice.point[j, 2]
    for axis in range(3):
        change = state[STRAIN + axis] * lattice.hkl[j, axis]
        if change != 0.0:
            hx += change * lattice.basis[0, axis]
            hy += change * lattice.basis[1, axis]
            hz += change * lattice.basis[2, axis]
    gx = rotation[0, 0] * hx + rotation[1, 0] * hy + rotation[2, 0] * hz
    gy = rotation[0, 1] * hx + rotation[1, 1] * hy + rotation[2, 1] * hz
    gz = rotation[0, 2] * hx + rotation[1, 2] * hy + rotation[2, 2] * hz
    bx, by, bz = frame[2, 0], frame[2, 1], frame[2, 2]
    kx, ky, kz = gx + bx, gy + by, gz + bz
    sphere = np.sqrt(bx * bx + by * by + bz * bz)
    length = np.sqrt(kx * kx + ky * ky + kz * kz)
    square = gx * gx + gy * gy + gz * gz
    own = variances[1] * np.exp(state[LOG_VARIANCE])
    unstrained = lattice.modulus[j] * lattice.modulus[j]
    tangential = own + (variances[2] + blur2) * unstrained
    radial = own + variances[3] * unstrained
    reach2 = _REACH * max(tangential, radial)
    distance = length - sphere
    on_sphere = reach2 - distance * distance
    cosine = (kx * bx + ky * by + kz * bz) / (length * sphere)
    if on_sphere <= 0.0 or cosine < -0.9:
        return False
    spot[0], spot[1], spot[2], spot[3] = gx, gy, gz, np.sqrt(square)
    spot[4], spot[5], spot[6] = tangential, radial, own
    spot[7] = variances[0] / (tangential * np.sqrt(radial))
    spot[8] = reach2
    flatten = np.sqrt(2.0 / (1.0 + cosine)) * sphere / length
    spot[9] = (kx * frame[0, 0] + ky * frame[0, 1] + kz * frame[0, 2]) * flatten
    spot[10] = (kx * frame[1, 0] + ky * frame[1, 1] + kz * frame[1, 2]) * flatten
    spot[11] = _EDGE * np.sqrt(on_sphere) * np.sqrt(2.0 / (1.0 + cosine))
    spot[12] = distance
    return True


@piece
def stands_alone(lattice, spot):  # type: ignore[no-untyped-def]
    """Whether a spot is so small that all its pixels are its own. Asked once for each spot: what takes arrays is costly in a loop over
    pixels."""
    return spot[8] < lattice.overlap * lattice.overlap


@piece
def belongs(lattice, rotation, ex, ey, ez):  # type: ignore[no-untyped-def]
    """Whether the spot's lattice point is the one that e, counted from it, rounds to: a pixel between peaks belongs to one of them."""
    cx = rotation[0, 0] * ex + rotation[0, 1] * ey + rotation[0, 2] * ez
    cy = rotation[1, 0] * ex + rotation[1, 1] * ey + rotation[1, 2] * ez
    cz = rotation[2, 0] * ex + rotation[2, 1] * ey + rotation[2, 2] * ez
    for axis in range(3):
        part = lattice.inverse[axis, 0] * cx + lattice.inverse[axis, 1] * cy + lattice.inverse[axis, 2] * cz
        if not -0.5 < part <= 0.5:
            return False
    return True


@piece
def cell_range(low, high, cell, cells):  # type: ignore[no-untyped-def]
    """First and stop of the cells that low .. high touches, both counted from the corner."""
    first = max(0, int(np.floor(low / cell)))
    stop = min(cells, int(np.floor(high / cell)) + 1)
    return first, stop


@piece
def box(pixels, spot):  # type: ignore[no-untyped-def]
    """First and stop row, first and stop column of the cells in which the pixels of a spot lie; no row where there are none."""
    x, y = spot[9] - pixels.corner[0], spot[10] - pixels.corner[1]
    row0, row1 = cell_range(x - spot[11], x + spot[11], pixels.cell, pixels.rows)
    column0, column1 = cell_range(y - spot[11], y + spot[11], pixels.cell, pixels.columns)
    if column1 <= column0:
        row1 = row0
    return row0, row1, column0, column1


@piece
def run(pixels, row, column0, column1):  # type: ignore[no-untyped-def]
    """First and stop of the pixels in some cells of a row."""
    return pixels.first[row * pixels.columns + column0], pixels.first[row * pixels.columns + column1]


@piece
def profile(spot, ex, ey, ez, square):  # type: ignore[no-untyped-def]
    """exp(-e_r^2 / 2Q - e_t^2 / 2T) at e, whose square is given."""
    along = (ex * spot[0] + ey * spot[1] + ez * spot[2]) / max(spot[3], 1e-12)
    return np.exp(-(0.5 * (along * along / spot[5] + (square - along * along) / spot[4])))


@piece
def load_frame(pixels, photons, background, extra, counts, ground):  # type: ignore[no-untyped-def]
    """Photons and background (level times polar, plus `extra` if it is not empty) of one frame in the order of the table; ground = -1
    where a pixel is dead."""
    for i in range(len(pixels.place)):
        ground[i] = -1.0
        if pixels.bin[i] < 0 or pixels.place[i] >= len(photons):
            continue
        level = background[pixels.bin[i]]
        count = photons[pixels.place[i]]
        if count >= 0 and level > TINY_BACKGROUND:
            counts[i] = count
            ground[i] = level * pixels.polar[i]
            if len(extra) > 0:
                ground[i] += extra[i]
