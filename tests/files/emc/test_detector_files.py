"""rec-vectors, maps and masks: written and read again, the reference's own files, and files of older programs."""

import lzma
from dataclasses import replace

import h5py
import numpy as np
import pytest

from fxs_hpc.emc.detector import flat, usable_pixels
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import mask, pix_map, rec_vectors

SHAPE = (20, 23)


@pytest.fixture
def written(tmp_path):
    made = replace(flat(SHAPE, (9.7, 11.1), 40.0, (0, 0, -1), 1.0), q_min=2, q_max=12)
    masked = np.random.default_rng(0).random(SHAPE) < 0.1
    pixels = usable_pixels(made, masked)
    rec_vectors.write(tmp_path / "rec-vectors.bin", pixels, made)
    pix_map.write(tmp_path, pixels)
    return pixels, tmp_path


def test_what_is_written_is_read(written):
    pixels, folder = written
    again = rec_vectors.read(folder / "rec-vectors.bin", SHAPE)
    for name in ("q", "polar", "index"):
        assert np.array_equal(getattr(again, name), getattr(pixels, name))
    assert rec_vectors.read_header(folder / "rec-vectors.bin") == (12, 2, len(pixels))
    lines = (folder / "pix-map.dat").read_text().splitlines()
    assert len(lines) == 460 and lines[pixels.index[5]] == "5" and lines.count("-1") == 460 - len(pixels)


def test_maps_of_the_reference_are_read_as_it_writes_them_and_as_text(written):
    """It leaves the -1 of unusable pixels inside rec2pix-map.bin."""
    pixels, folder = written
    loose = np.full(460, -1, "<i4")
    places = np.sort(np.random.default_rng(1).permutation(460)[: len(pixels)])
    loose[places] = pixels.index
    loose.tofile(folder / "rec2pix-map.bin")
    assert np.array_equal(pix_map.read_index(folder, len(pixels)), pixels.index)
    (folder / "rec2pix-map.bin").unlink()
    assert np.array_equal(pix_map.read_index(folder, len(pixels)), pixels.index)


def test_damage_is_named(written):
    pixels, folder = written
    path = folder / "rec-vectors.bin"
    with pytest.raises(InputFileError, match="detector has 10 x 23"):
        rec_vectors.read(path, (10, 23))
    with pytest.raises(InputFileError, match="not of one run"):
        pix_map.read_index(folder, len(pixels) - 1)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputFileError, match="cut off"):
        rec_vectors.read(path, SHAPE)
    path.unlink()
    with pytest.raises(InputFileError, match="make-detector"):
        rec_vectors.read(path, SHAPE)


def test_files_of_the_reference(reference_data, tmp_path):
    folder = reference_data / "emc" / "make-detector"
    names = ("rec-vectors.bin", "rec2pix-map.bin", "rec2pix-map.dat", "pix-map.bin", "pix-map.dat")
    there = {name: lzma.decompress((folder / f"{name}.xz").read_bytes()) for name in names}
    for name, content in there.items():
        (tmp_path / name).write_bytes(content)
    pixels = rec_vectors.read(tmp_path / "rec-vectors.bin", (240, 250))
    made = replace(flat((240, 250), (0, 0), 1, (0, 0, -1), 1), q_min=8, q_max=115)
    here = tmp_path / "again"
    rec_vectors.write(here / "rec-vectors.bin", pixels, made)
    pix_map.write(here, pixels)
    assert {name: (here / name).read_bytes() for name in names} == there


def test_mask_of_the_reference(reference_data, tmp_path):
    folder = reference_data / "emc"
    binary = lzma.decompress((folder / "make-detector/MASK.bin.xz").read_bytes())
    text = lzma.decompress((folder / "aux/mask.dat.xz").read_bytes())
    (tmp_path / "MASK.bin").write_bytes(binary)
    masked = mask.read(tmp_path / "MASK.bin", (240, 250))
    mask.write(tmp_path / "new.bin", tmp_path / "new.dat", masked)
    assert (tmp_path / "new.bin").read_bytes() == binary and (tmp_path / "new.dat").read_bytes() == text


@pytest.mark.parametrize("kind", ["int64.bin", "int32.bin", "mask.dat", "mask.npy", "mask.h5", "mask.edf"])
def test_masks_of_every_format(tmp_path, kind):
    import fabio

    masked = np.random.default_rng(2).random(SHAPE) < 0.3
    path = tmp_path / kind
    if kind.endswith(".bin"):
        masked.astype(kind.removesuffix(".bin")).tofile(path)
    elif kind.endswith(".dat"):
        path.write_text("\n".join(map(str, masked.ravel().astype(int))) + "\n")
    elif kind.endswith(".npy"):
        np.save(path, masked)
    elif kind.endswith(".h5"):
        with h5py.File(path, "w") as file:
            file["/data/data"] = masked.astype(np.uint8)
    else:
        fabio.edfimage.EdfImage(data=masked.astype(np.int32)).write(str(path))
    assert np.array_equal(mask.read(path, SHAPE), masked)


def test_masks_of_another_size_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((20, 22)))
    with pytest.raises(InputFileError, match=r"440 values.*20 x 23 = 460"):
        mask.read(tmp_path / "m.npy", SHAPE)
    with pytest.raises(InputFileError, match="cannot be read"):
        mask.read(tmp_path / "none.npy", SHAPE)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["/x"] = 1
    with pytest.raises(InputFileError, match="no mask in it"):
        mask.read(tmp_path / "m.h5", SHAPE)


def test_mask_of_a_frame():
    assert mask.of_frame(np.array([[-1, 0, 32767, 32768]], np.int32)).tolist() == [[True, False, False, True]]
