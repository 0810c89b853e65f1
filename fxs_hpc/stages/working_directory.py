"""A working directory: config.ini, settings of every command, the folders and launchers of the FXS and EMC documents."""

from importlib.resources import files
from pathlib import Path

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.document import commented_yaml
from fxs_hpc.config.ini import FILE_NAME
from fxs_hpc.config.settings import packaged, settings_folder
from fxs_hpc.errors import UsageError
from fxs_hpc.stages.launchers import makefiles, scripts

FXS_FOLDERS = (
    "data/fxs/ccd/archive",
    "data/fxs/invariants/archive",
    "data/fxs/reconstructions",
    "data/fxs/averages",
    "data/fxs/input_files",
)
EMC_FOLDERS = ("aux", "reduce-data", "low-res-emc", "rej-frames", "setup-local", "local-update", "Data")
DEFAULTS_NAME = "default_0.01.yaml"


def create(home: Path) -> tuple[list[Path], list[Path]]:
    """Make `home` a working directory; files that exist are left alone.

    Returns
    -------
    made, kept : lists of Path
        Files that were written, and files that were there and differ from what would have been written.
    """
    made: list[Path] = []
    kept: list[Path] = []
    try:
        for folder in (*FXS_FOLDERS, *EMC_FOLDERS):
            (home / folder).mkdir(parents=True, exist_ok=True)
        for path, text in _contents(home).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                if path.read_text(encoding="utf-8") != text:
                    kept.append(path)
                continue
            path.write_text(text, encoding="utf-8")
            if text.startswith("#!"):
                path.chmod(0o755)
            made.append(path)
    except OSError as error:
        raise UsageError(f"{error.filename or home}: cannot be made ({error.strerror}); choose another directory") from None
    return made, kept


def _contents(home: Path) -> dict[Path, str]:
    contents = {home / FILE_NAME: config_template()}
    for command in COMMANDS.values():
        folder = settings_folder(home, command.name)
        contents[folder / DEFAULTS_NAME] = commented_yaml(command, full=True, active=False)
        for path in packaged(command.name).values():
            contents[folder / path.name] = path.read_text(encoding="utf-8")
    return contents | {home / name: text for name, text in {**scripts(), **makefiles()}.items()}


def config_template() -> str:
    """Text of the documented config.ini."""
    return (Path(str(files("fxs_hpc.config"))) / "presets" / FILE_NAME).read_text(encoding="utf-8")
