"""FXS from Python: each command a function, settings as names or dictionaries, results as arrays.

>>> from fxs_hpc import fxs
>>> ccd = fxs.simulate_ccd("demo", home="work")
>>> ccd["average_intensity"].shape
(32,)

Everything behaves as on the command line: the same defaults, checks, result folders and provenance; errors are exceptions of
`fxs_hpc.errors`. docs/fxs-python.md goes through an example.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import cleandoc, signature
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config import ini
from fxs_hpc.config.fields import Section
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.settings import Loaded, assembled, load
from fxs_hpc.errors import InputFileError
from fxs_hpc.stages.fxs import running
from fxs_hpc.stages.fxs.workspace import date_of, now

Settings = str | Path | Mapping[str, Any] | Section
"""A settings name or path, as on the command line; a dictionary as a YAML file holds it; or what `settings` returned."""


@dataclass(frozen=True)
class Result:
    """What a command made.

    Attributes
    ----------
    folder : Path
        Its result folder, with pictures, VTK files and the merged settings.
    file : Path
        The HDF5 file in it (of simulate_patterns: the truth).
    settings : Section
        The settings that were used, complete.
    """

    folder: Path
    file: Path
    settings: Section

    def __getitem__(self, name: str) -> NDArray:
        """A field of the file by its path, such as `cross_correlation/I1I1`, read when asked for; scalars have shape ().

        Raises
        ------
        InputFileError
            There is no such field.
        """
        with h5py.File(self.file) as file:
            if not isinstance(file.get(name), h5py.Dataset):
                raise InputFileError(f"{self.file}: has no field {name!r}{suggestion(name, self.fields())}; fields() lists them")
            return np.asarray(file[name][()])

    def fields(self) -> dict[str, tuple[int, ...]]:
        """Path and shape of every field of the file."""
        found: dict[str, tuple[int, ...]] = {}
        with h5py.File(self.file) as file:
            file.visititems(lambda name, item: found.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None)
        return found

    def pictures(self) -> list[Path]:
        """PNG files of the result."""
        return sorted(self.folder.rglob("*.png"))


def settings(command: str, given: Settings = "demo", changes: Mapping[str, Any] | None = None, home: str | Path = ".") -> Any:
    """Checked, complete settings of a command, to look at or to pass on: attributes as in the YAML file.

    Parameters
    ----------
    command : str
        Such as ``reconstruct``.
    given : name, path or dictionary
        What to start from.
    changes : mapping, optional
        Dotted key -> value, as --set of the command line: ``{"grid.max_order": 31}``.
    home : str or Path
        Working directory whose settings are looked through.

    Raises
    ------
    SettingsError
        A key or a value is not allowed; names all that are wrong.
    """
    return _loaded(command, given, changes, _config(home).home).model


def _loaded(command: str, given: Settings, changes: Mapping[str, Any] | None, home: Path) -> Loaded:
    if isinstance(given, Section):
        return assembled(command, given.tree(), changes)
    if isinstance(given, Mapping):
        return assembled(command, given, changes)
    return load(command, str(given), home, changes)


def _config(home: str | Path) -> ini.RunConfig:
    """config.ini of `home`; without one its defaults."""
    folder = Path(home).expanduser().resolve()
    path = folder / ini.FILE_NAME
    if path.is_file():
        return ini.load(path)
    folder.mkdir(parents=True, exist_ok=True)
    return ini.RunConfig(folder)


_FILES: Mapping[str, str] = {
    "simulate_ccd": "ccd",
    "simulate_patterns": "truth",
    "correlate": "ccd",
    "extract": "invariants",
    "reconstruct": "reconstructions",
    "average": "average_results",
}


def run(
    command: str,
    given: Settings = "demo",
    changes: Mapping[str, Any] | None = None,
    *,
    home: str | Path = ".",
    resume: bool = False,
    threads: int | None = None,
    precision: Literal["single", "double"] | None = None,
    say: Callable[[str], None] = print,
) -> Result:
    """Run a command; `simulate_ccd` and the others are this function with the command filled in.

    Parameters
    ----------
    given, changes
        See `settings`.
    home : str or Path
        Working directory; results go to home/data/fxs. Its config.ini counts where there is one.
    resume : bool
        Continue what was begun with these settings instead of starting anew.
    threads, precision : optional
        In place of those of config.ini.
    say : callable
        Gets every line that the command line would print.

    Raises
    ------
    FxsError
        As on the command line: `SettingsError`, `InputFileError`, `DataError`, `NumericalError`.
    """
    config = _config(home)
    config = replace(config, threads=threads or config.threads, precision=precision or config.precision)
    loaded = _loaded(command, given, changes, config.home)
    for note in loaded.notes:
        say(f"note: {note}")
    context = running.surroundings(loaded, config, date_of(now()), f"fxs_hpc.fxs.{command}(...)", say, resume)
    folder = running.run(loaded, context)
    name = getattr(loaded.model.IO.files, _FILES[command]).name
    return Result(folder, folder / name, loaded.model)


def _command(name: str, what: str) -> Callable[..., Result]:
    def of_command(given: Settings = "demo", changes: Mapping[str, Any] | None = None, **options: Any) -> Result:
        return run(name, given, changes, **options)

    of_command.__name__ = of_command.__qualname__ = name
    of_command.__doc__ = f"{what}\n\n{cleandoc(run.__doc__ or '').partition(chr(10) * 2)[2]}"
    shown = signature(run)
    of_command.__signature__ = shown.replace(parameters=list(shown.parameters.values())[1:])  # type: ignore[attr-defined]
    return of_command


simulate_ccd = _command("simulate_ccd", "Make a density of simple shapes and its cross-correlations.")
simulate_patterns = _command("simulate_patterns", "Make scattering patterns of particles in random orientations, and their truth.")
correlate = _command("correlate", "Correlate scattering patterns.")
extract = _command("extract", "Solve cross-correlations for the rotational invariants.")
reconstruct = _command("reconstruct", "Phase the invariants: several densities from random starts.")
average = _command("average", "Align and average densities, and say to which resolution they agree.")
