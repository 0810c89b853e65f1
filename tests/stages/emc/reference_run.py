"""The reference program's run, unpacked into a working directory that stages may write to."""

import lzma
import shutil
import tarfile
from pathlib import Path

from fxs_hpc.emc import quaternions
from fxs_hpc.files.emc import quaternions as quaternion_file

PLACE = "@WORK@"


def unpack(source: Path, home: Path, name: str) -> Path:
    """One file of the reference run (given without .xz) at its place in `home`, with its paths put right; returns it."""
    target = home / name
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = source / f"{name}.xz"
    content = lzma.decompress(packed.read_bytes()) if packed.exists() else (source / name).read_bytes()
    target.write_bytes(content.replace(PLACE.encode(), str(home).encode()) if target.suffix in (".ini", ".dat") else content)
    return target


def unpack_tar(source: Path, home: Path, name: str) -> None:
    """All members of a tar archive of the reference run; lists get their paths put right."""
    with tarfile.open(source / name) as archive:
        archive.extractall(home, filter="data")
    if "lists" in name:
        for path in (home / "make-background").glob("*list.dat"):
            path.write_text(path.read_text().replace(PLACE, str(home)))


def content(source: Path, home: Path, name: str) -> bytes:
    """What the reference program wrote, with the paths of `home`."""
    packed = source / f"{name}.xz"
    data = lzma.decompress(packed.read_bytes()) if packed.exists() else (source / name).read_bytes()
    return data.replace(PLACE.encode(), str(home).encode()) if name.endswith(".dat") else data


def config(source: Path, home: Path) -> Path:
    """config.ini of the reference run in `home`."""
    path = unpack(source, home, "config.ini")
    shutil.copy(source / "aux/basis-vec.dat", _folder(home / "aux"))
    return path


def front_end(source: Path, home: Path) -> None:
    """Everything that reduce-data reads."""
    config(source, home)
    for name in ("frames.tar.xz", "make-background/lists.tar.xz", "Data/run1/radial-bg.tar.xz", "Data/run1/outlier.tar.xz"):
        unpack_tar(source, home, name)
    for name in ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin", "orient-peak/num_prob_orien.dat"):
        unpack(source, home, name)
    quaternion_file.write(home / "aux/c-quaternion17.bin", quaternions.sample_count(17), quaternions.blocks(17))


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
