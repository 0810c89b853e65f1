"""What a mask is made of, and the mask: everything that config.ini and the files it names say about pixels not to be used."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Frames
from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.emc import file_lists, geom, mask
from fxs_hpc.files.frame_hdf5 import Hdf5Frames
from fxs_hpc.files.frames import is_hdf5, open_frames, split
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context


@dataclass(frozen=True)
class MaskSources:
    """Where the masked pixels come from; '' or None = not from there.

    Attributes
    ----------
    frame : frame whose bad and overflowing pixels are masked.
    file : mask file.
    geometry : CrystFEL geometry file.
    frames : HDF5 file of raw frames, whose pixel mask for all frames is taken.
    holder : half the width of the shadow of a holder.
    """

    frame: str = ""
    file: str = ""
    geometry: str = ""
    frames: str = ""
    holder: float | None = None

    def words(self) -> str:
        """In words."""
        named = [name for name in (self.frame, self.file, self.geometry, self.frames and f"pixel mask of {self.frames}") if name]
        if self.holder:
            named.append(f"holder of half width {self.holder:g}")
        return ", ".join(named) or "nothing: no key of a mask is set"


def binary(context: Context) -> Path:
    """make-detector/MASK.bin."""
    return context.home / "make-detector" / "MASK.bin"


def text(context: Context) -> Path:
    """aux/mask.dat."""
    return context.home / "aux" / "mask.dat"


def record(context: Context) -> Path:
    """What MASK.bin was made of."""
    return context.home / "make-detector" / "mask.json"


def recorded(context: Context) -> MaskSources | None:
    """What MASK.bin was made of; None if that was not noted, as in a mask of the reference."""
    path = record(context)
    if not path.exists() or not binary(context).exists():
        return None
    try:
        return MaskSources(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise InputFileError(f"{path}: damaged; run `fxs-hpc emc make-mask` again") from None


def configured(context: Context, frame: str = "") -> MaskSources:
    """What config.ini says; `frame` is taken where the key mask_frame is not set."""
    keys = context.config.section(Detector)

    def absolute(path: Path | None) -> str:
        return str(context.config.path(path)) if path else ""

    files = absolute(keys.mask_file), absolute(keys.geometry_file), _container(context)
    return MaskSources(absolute(keys.mask_frame) or frame, *files, keys.holder_half_width)


def _container(context: Context) -> str:
    """The HDF5 file of the first raw frame, if that is where it lies and a list or the key `frames` says so."""
    if not file_lists.exist(context.home / "make-background") and context.config.section(Frames).frames is None:
        return ""
    path, event = split(inputs.frame_source(context).names[0])
    return path if event is not None else ""


def write(context: Context, sources: MaskSources) -> NDArray[np.bool_]:
    """Make the mask, write it and note its sources."""
    masked = made(context, sources)
    record(context).unlink(missing_ok=True)
    mask.write(binary(context), text(context), masked)
    write_text(record(context), json.dumps(asdict(sources), indent=1))
    return masked


def made(context: Context, sources: MaskSources) -> NDArray[np.bool_]:
    """Mask bool (rows, columns); True = masked."""
    keys = context.config.section(Detector)
    geometry = inputs.geometry(context)
    masked = np.zeros(geometry.shape, bool)
    if sources.frame:
        masked |= mask.of_frame(_frame(context, sources.frame, geometry.shape))
    if sources.file:
        masked |= mask.read(Path(sources.file), geometry.shape)
    if sources.holder:
        if keys.cx is None or keys.cy is None:
            raise InputFileError("holder_half_width needs the beam centre: give cx and cy in config.ini, or mask the holder by mask_file")
        masked |= shadow(geometry.shape, (keys.cx, keys.cy), sources.holder)
    if sources.frames and (static := _static(context, Path(sources.frames), geometry.shape)) is not None:
        masked |= static
    if sources.geometry:
        masked |= _of_geometry(context, geometry.shape)
    return masked


def shadow(shape: tuple[int, int], centre: tuple[float, float], half_width: float) -> NDArray[np.bool_]:
    """Shadow of a holder that reaches from the beam centre (row, column) to column 0."""
    rows, columns = np.indices(shape)
    return (np.abs(rows - centre[0]) < half_width) & (columns < centre[1])


def _frame(context: Context, path: str, shape: tuple[int, int]) -> NDArray[np.int32]:
    frame = open_frames([path], Path(), inputs.frame_dataset(context)).read(0)
    if frame.shape != shape:
        raise InputFileError(f"{path}: {frame.shape[0]} x {frame.shape[1]} pixels, but the detector has {shape[0]} x {shape[1]}")
    return frame


def _static(context: Context, path: Path, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    found = Hdf5Frames(path, inputs.frame_dataset(context)).static_mask()
    if found is not None and found.shape != shape:
        raise InputFileError(f"{path}: its pixel mask has {found.shape[0]} x {found.shape[1]} pixels, the detector {shape[0]} x {shape[1]}")
    return found


def _of_geometry(context: Context, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Bad regions of the geometry file, and the masks that it names."""
    file = inputs.geometry_file(context)
    masked = file.bad.copy()
    panels = dict(zip(file.names, file.geometry.panels))
    for source in file.masks:
        (row, column), (rows, columns) = panels[source.panel].first, panels[source.panel].shape
        area = (slice(row, row + rows), slice(column, column + columns))
        bits = _bits(context, source, shape)[area]
        masked[area] |= ((bits & source.bad) != 0) | ((bits & source.good) != source.good)
    return masked


def _bits(context: Context, source: geom.MaskSource, shape: tuple[int, int]) -> NDArray:
    if source.file:
        keys = context.config.section(Detector)
        assert keys.geometry_file is not None
        path = context.config.path(keys.geometry_file).parent / source.file
        if not is_hdf5(path):
            raise InputFileError(f"{path}: the mask file that the geometry file names is missing or no HDF5 file")
        values = Hdf5Frames(path, source.dataset).array(source.dataset)
    else:
        values = inputs.frame_source(context).container(0).array(source.dataset)
    if values.size % (shape[0] * shape[1]):
        raise InputFileError(f"{source.file} {source.dataset}: {values.shape} values, but the detector has {shape[0]} x {shape[1]} pixels")
    return values.reshape(-1, *shape)[0].astype(np.int64)
