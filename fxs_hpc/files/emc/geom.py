"""CrystFEL geometry files (.geom): detectors of any number of panels.

CrystFEL's axes: z along the beam, x horizontal (along which the beam is polarised), y up; positions in pixels from the beam, the pixel
with the number 0 reaching from 0 to 1. Here (see `fxs_hpc.emc.detector`): x_here = y, y_here = x, z_here = -z, and a pixel's number is its
centre. So one panel with fs = +x and ss = +y is a detector with sx, sy, sz = 0, 0, -1.

The raster is the data array as it lies in the frames; an array of panels (panel, ss, fs) counts as (panel * ss, fs).

What CrystFEL takes from the frames (clen or photon_energy given as an HDF5 path) is asked of a function.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from cfel_fmt.geometry import load_crystfel_geometry
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry, Panel
from fxs_hpc.errors import InputFileError

EV_ANGSTROM = 12398.419843320026
"""h c in eV Angstrom."""
ENERGIES = {"eV": 1.0, "keV": 1e3, "MeV": 1e6}
LENGTHS = {"m": 1.0, "mm": 1e-3}
WAVELENGTHS = {"A": 1.0, "m": 1e10}
TO_HERE = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
_LINE = re.compile(r"\s*(?P<key>[^\s=]+)\s*=\s*(?P<value>.*?)\s*")
_QUANTITY = re.compile(r"(?P<number>[-+]?[.\d]+(?:[eE][-+]?\d+)?)\s*(?P<unit>[A-Za-z]*)")
_LOCATION = re.compile(r"(?P<dataset>/\S+)\s*(?P<unit>[A-Za-z]*)")

Lookup = Callable[[str], float]
"""Value of a dataset of the frames: HDF5 path -> number."""


@dataclass(frozen=True)
class MaskSource:
    """A mask that a geometry file names.

    Attributes
    ----------
    dataset : HDF5 path of an array as large as the raster.
    file : where it lies; '' = in the file of the frames.
    good, bad : int
        A pixel is usable if all bits of `good` and none of `bad` are set.
    panel : name of the panel it is about.
    """

    dataset: str
    file: str
    good: int
    bad: int
    panel: str


@dataclass(frozen=True)
class GeometryFile:
    """What a .geom file says.

    Attributes
    ----------
    geometry : Geometry
        All resolutions.
    names : of the panels, in the order of `geometry.panels`.
    bad : bool (rows, columns)
        Bad regions, panels not to be used, and what belongs to no panel.
    masks : tuple of MaskSource
    """

    geometry: Geometry
    names: tuple[str, ...]
    bad: NDArray[np.bool_]
    masks: tuple[MaskSource, ...]


def read(
    path: Path,
    lookup: Lookup,
    shape: tuple[int | None, int | None] = (None, None),
    wavelength: float | None = None,
    distance: float | None = None,
) -> GeometryFile:
    """Read `path`.

    Parameters
    ----------
    lookup : callable
        Asked for a camera length or photon energy that is an HDF5 path.
    shape : (rows, columns) of the data array where it is larger than its panels; None = as large as they need.
    wavelength, distance : float
        Angstrom and m; in place of photon_energy and clen.

    Raises
    ------
    InputFileError
        The file is missing or says something impossible.
    """
    parsed = _parsed(path)
    panels: Mapping[str, Any] = parsed.detector["panels"]
    for name, panel in panels.items():
        _check(path, name, panel)
    wavelength = _wavelength(path, parsed.beam, lookup) if wavelength is None else wavelength
    pixel = 1 / next(iter(panels.values()))["res"]
    heights = {name: _distance(path, name, panel, lookup, distance) / pixel for name, panel in panels.items()}
    D = float(np.median(list(heights.values())))
    stack = {name: _place(panel["dim_structure"]) for name, panel in panels.items()}
    rows = max(_extent(panel)[0] for panel in panels.values())
    pieces = tuple(_panel(panel, heights[name], pixel, stack[name] * rows) for name, panel in panels.items())
    needed = (rows * (1 + max(stack.values())), max(_extent(panel)[1] for panel in panels.values()))
    geometry = Geometry(_raster(path, needed, shape), pieces, np.array([0.0, 0.0, -D]), D, wavelength, 0, int(np.ceil(2 * D)))
    bad = _bad(path, geometry, tuple(panels), parsed.detector)
    return GeometryFile(geometry, tuple(panels), bad, _masks(parsed.detector))


def dataset(path: Path) -> str | None:
    """HDF5 path of the frames; None where `path` does not say it."""
    named = {panel["data"] for panel in _parsed(path).detector["panels"].values()} - {""}
    return str(named.pop()) if len(named) == 1 else None


def _parsed(path: Path) -> Any:
    try:
        return load_crystfel_geometry(StringIO("".join(_lines(path.read_text()))))
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); check geometry_file") from None
    except (RuntimeError, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path}: not a CrystFEL geometry file: {error}") from None


def _lines(text: str) -> list[str]:
    """Lines as the parser takes them: ` = ` between key and value, no units, all three components of a direction."""
    lines = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.partition(";")[0])
        if match:
            key, value = match["key"], match["value"]
            lines.append(f"{_spelt(key, value)}\n")
    return lines


def _spelt(key: str, value: str) -> str:
    name = key.rpartition("/")[2]
    if name in ("wavelength", "photon_energy", "clen", "coffset"):
        return _quantity(key, name, value)
    if name in ("fs", "ss", "rail_direction"):
        value = value.replace(" ", "")
        return f"{key} = {value}{''.join(f'+0.0{axis}' for axis in 'xyz' if axis not in value)}"
    if name == "no_index" and value == "0":
        return ""
    if name == "res" and not float(value) > 0:
        raise ValueError(f"{key} = {value}: expected pixels per metre, 13333.3 for 75 um")
    return f"{key} = {value}"


def _quantity(key: str, name: str, value: str) -> str:
    """A number in eV or m, or `/dataset|unit`."""
    units = {"wavelength": WAVELENGTHS, "photon_energy": ENERGIES}.get(name, LENGTHS)
    key = "photon_energy" if name == "wavelength" else key
    if location := _LOCATION.fullmatch(value):
        unit = location["unit"] or {"wavelength": "A", "photon_energy": "eV"}.get(name, "mm")
        return f"{key} = {location['dataset']}|{_known(unit, units, name)}"
    number = _QUANTITY.fullmatch(value)
    if not number:
        raise ValueError(f"{name} = {value}: expected a number and a unit ({', '.join(units)}), or a dataset of the frames")
    plain = float(number["number"]) * units[_known(number["unit"] or next(iter(units)), units, name)]
    return f"{key} = {EV_ANGSTROM / plain if name == 'wavelength' else plain!r}"


def _known(unit: str, units: Mapping[str, float], name: str) -> str:
    if unit not in units:
        raise ValueError(f"{name}: unknown unit {unit!r}; allowed are {', '.join(units)}")
    return unit


def _check(path: Path, name: str, panel: Mapping[str, Any]) -> None:
    for key, value in (("corner_x", panel["cnx"]), ("corner_y", panel["cny"])):
        if not np.isfinite(value):
            raise InputFileError(f"{path}: panel {name} has no {key}; add `{name}/{key} = ...`")
    if "%" in panel["data"]:
        raise InputFileError(
            f"{path}: panel {name}: data = {panel['data']}: frames in separate HDF5 groups are not supported; put them in one dataset"
        )


def _wavelength(path: Path, beam: Mapping[str, Any], lookup: Lookup) -> float:
    energy = float(beam["photon_energy"])
    if beam["photon_energy_from"]:
        dataset, _, unit = beam["photon_energy_from"].partition("|")
        value = lookup(dataset)
        energy = EV_ANGSTROM / (value * WAVELENGTHS[unit]) if unit in WAVELENGTHS else value * ENERGIES[unit]
    energy *= float(beam["photon_energy_scale"])
    if not 100 < energy < 1e6:
        raise InputFileError(
            f"{path}: photon_energy = {energy:g}, expected 100 to 1000000 eV; correct it, or give wl (Angstrom) in config.ini"
        )
    return EV_ANGSTROM / energy


def _distance(path: Path, name: str, panel: Mapping[str, Any], lookup: Lookup, given: float | None) -> float:
    """Height of a panel over the sample in m. As in CrystFEL, a dataset of the frames is in mm where no unit is given."""
    dataset, _, unit = panel["clen_from"].partition("|")
    length = given if given is not None else lookup(dataset) * LENGTHS[unit] if dataset else float(panel["clen"])
    height = length + float(panel["coffset"])
    if not 1e-3 < height < 100:
        raise InputFileError(
            f"{path}: panel {name}: clen + coffset = {height:g}, expected metres from the sample; correct it, or give detd (m) in "
            "config.ini in place of clen"
        )
    return height


def _place(dimensions: list[int | str]) -> int:
    """Number of a panel along the axis of an array of panels; 0 where there is none."""
    return next((entry for entry in dimensions if isinstance(entry, int)), 0)


def _turned(panel: Mapping[str, Any]) -> bool:
    """Whether fs is the slower axis of the data array."""
    return bool(panel["dim_structure"].index("fs") < panel["dim_structure"].index("ss"))


def _extent(panel: Mapping[str, Any]) -> tuple[int, int]:
    slow, fast = panel["orig_max_ss"] + 1, panel["orig_max_fs"] + 1
    return (fast, slow) if _turned(panel) else (slow, fast)


def _panel(panel: Mapping[str, Any], height: float, pixel: float, first_row: int) -> Panel:
    scale = 1 / (panel["res"] * pixel)
    fast, slow = (np.array([panel[f"{name}{axis}"] for axis in "xyz"]) for name in ("fs", "ss"))
    centre = np.array([panel["cnx"], panel["cny"], 0.0]) + 0.5 * (fast + slow)
    origin = TO_HERE @ (scale * centre + np.array([0.0, 0.0, height]))
    fast, slow = scale * TO_HERE @ fast, scale * TO_HERE @ slow
    rows, columns, row, column = panel["h"], panel["w"], panel["orig_min_ss"], panel["orig_min_fs"]
    if _turned(panel):
        rows, columns, row, column, fast, slow = columns, rows, column, row, slow, fast
    return Panel((first_row + row, column), (rows, columns), (first_row + row, column), origin, slow, fast)


def _raster(path: Path, needed: tuple[int, int], given: tuple[int | None, int | None]) -> tuple[int, int]:
    rows, columns = (size or least for size, least in zip(given, needed))
    if rows < needed[0] or columns < needed[1]:
        raise InputFileError(
            f"{path}: its panels need {needed[0]} x {needed[1]} pixels, but config.ini says num_row, num_col = {rows}, {columns}; "
            "set both to auto, or to the size of the data array"
        )
    return rows, columns


def _bad(path: Path, geometry: Geometry, names: tuple[str, ...], detector: Mapping[str, Any]) -> NDArray[np.bool_]:
    bad = geometry.panel_numbers() < 0
    if np.count_nonzero(~bad) < sum(rows * columns for rows, columns in (panel.shape for panel in geometry.panels)):
        raise InputFileError(f"{path}: panels overlap in the data array; check their min_fs, max_fs, min_ss, max_ss and dim entries")
    flat = bad.reshape(-1)
    for number, name in enumerate(names):
        panel = geometry.panels[number]
        (row, column), (rows, columns) = panel.first, panel.shape
        if detector["panels"][name]["no_index"]:
            bad[row : row + rows, column : column + columns] = True
    for region in detector["bad"].values():
        if region["is_fsss"]:
            _mark_raster(bad, geometry, names, detector["panels"], region)
        else:
            for index, positions, _ in geometry.blocks():
                flat[index[_inside(positions, region)]] = True
    return bad


def _mark_raster(bad: NDArray, geometry: Geometry, names: tuple[str, ...], panels: Mapping[str, Any], region: Mapping[str, Any]) -> None:
    for panel, name in zip(geometry.panels, names):
        if region["panel"] not in ("", name):
            continue
        fast, slow = (slice(region[f"min_{axis}"], region[f"max_{axis}"] + 1) for axis in ("fs", "ss"))
        window = np.zeros(_extent(panels[name]), bool)
        window[(fast, slow) if _turned(panels[name]) else (slow, fast)] = True
        (row, column), (rows, columns) = panel.first, panel.shape
        bad[row : row + rows, column : column + columns] |= window[-rows:, -columns:]


def _inside(positions: NDArray, region: Mapping[str, Any]) -> NDArray[np.bool_]:
    """CrystFEL's x and y are y and x here."""
    y, x = positions[:, 0], positions[:, 1]
    return (x > region["min_x"]) & (x < region["max_x"]) & (y > region["min_y"]) & (y < region["max_y"])


def _masks(detector: Mapping[str, Any]) -> tuple[MaskSource, ...]:
    sources = []
    for name, panel in detector["panels"].items():
        if panel["mask"]:
            sources.append(MaskSource(panel["mask"], panel["mask_file"], detector["mask_good"], detector["mask_bad"], name))
        for number in range(8):
            if dataset := panel[f"mask{number}_data"]:
                good, bad = panel[f"mask{number}_goodbits"], panel[f"mask{number}_badbits"]
                sources.append(MaskSource(dataset, panel[f"mask{number}_file"], good, bad, name))
    return tuple(sources)
