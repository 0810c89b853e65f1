"""CrystFEL stream: its grammar, and that CrystFEL's axes put a reflection on the pixel that this package puts it on."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.detector import flat
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.files.emc import crystfel_stream
from fxs_hpc.files.emc.crystfel_stream import StreamCell, StreamFrame, along_beam

LATTICE = Lattice(np.array([[20.0, 3.0, 1.0], [0.0, 25.0, 2.0], [0.0, 0.0, 31.0]]))
WAVELENGTH = 1.3
NUMBER = r"[-+]?\d+\.\d+"
STAR = re.compile(rf"^[abc]star = ({NUMBER}) ({NUMBER}) ({NUMBER}) nm\^-1$", re.M)


def stream(path, crystals, beam=(0.0, 0.0, -1.0)):
    frames = [StreamFrame("a.cbf", "", 1, tuple(crystals)), StreamFrame("b.h5", "//5", 2, ())]
    cell = StreamCell("triclinic", "*", "P", LATTICE.cell)
    crystfel_stream.write(path, frames, cell, np.array(beam), WAVELENGTH, 0.004, 0.4)
    return path.read_text()


def test_grammar(tmp_path):
    """Blocks nest and close; the lines that CrystFEL's reader looks for are there, spelt as it expects."""
    text = stream(tmp_path / "x.stream", [LATTICE.reciprocal])
    lines = text.splitlines()
    assert lines[0] == "CrystFEL stream format 2.3"
    for begin, end, times in (
        ("----- Begin unit cell -----", "----- End unit cell -----", 1),
        ("----- Begin chunk -----", "----- End chunk -----", 2),
        ("Peaks from peak search", "End of peak list", 2),
        ("--- Begin crystal", "--- End crystal", 1),
        ("Reflections measured after indexing", "End of reflections", 1),
    ):
        places = [[i for i, line in enumerate(lines) if line == mark] for mark in (begin, end)]
        assert len(places[0]) == len(places[1]) == times and all(a < b for a, b in zip(*places, strict=True))
    assert re.search(rf"^photon_energy_eV = {NUMBER}$", text, re.M) and "Event: //5\n" in text and text.count("indexed_by = none") == 1
    assert re.search(rf"^Cell parameters {NUMBER} {NUMBER} {NUMBER} nm, {NUMBER} {NUMBER} {NUMBER} deg$", text, re.M)
    assert re.search(rf"^diffraction_resolution_limit = {NUMBER} nm\^-1 or {NUMBER} A$", text, re.M) and "unique_axis" in text
    found = re.findall(rf"^[abc]star = ({NUMBER}) ({NUMBER}) ({NUMBER}) nm\^-1$", text, re.M)
    assert len(found) == 3 and np.linalg.norm(np.array(found[0], float)) == pytest.approx(
        10 * np.linalg.norm(LATTICE.reciprocal[:, 0]), abs=1e-6
    )
    cell = [float(word) for word in re.search(r"Cell parameters (.*) nm, (.*) deg", text).expand(r"\1 \2").split()]
    assert np.allclose(np.array(cell) * [10, 10, 10, 1, 1, 1], LATTICE.cell, atol=1e-3)


def test_pixels_have_the_same_fractional_indices(tmp_path):
    """By this package's detector, and by CrystFEL's rule for a panel with fs = +x, ss = +y and the beam along +z."""
    rotation = Rotation.random(random_state=4).as_matrix()
    found = re.findall(
        rf"^[abc]star = ({NUMBER}) ({NUMBER}) ({NUMBER}) nm\^-1$", stream(tmp_path / "x", [rotation.T @ LATTICE.reciprocal]), re.M
    )
    crystfel = np.array(found, float).T / 10
    rows, columns, centre, distance = np.array([3, 50, 90]), np.array([80, 7, 41]), (40.3, 44.8), 100.0
    geometry = flat((100, 100), centre, distance, (0, 0, -1), WAVELENGTH)
    q = geometry.scattering(geometry.panels[0].positions(rows, columns)) * geometry.pixel_to_inverse_angstrom
    here = np.linalg.solve(LATTICE.reciprocal, rotation @ q.T)
    place = np.stack([columns - centre[1], rows - centre[0], np.full(3, distance)])
    there = np.linalg.solve(crystfel, (place / np.linalg.norm(place, axis=0) - np.array([[0], [0], [1]])) / WAVELENGTH)
    np.testing.assert_allclose(there, here, atol=2e-4)


def test_a_tilted_beam_goes_along_z():
    beam = np.array([0.02, -0.03, -1.0])
    turn = along_beam(beam)
    assert np.allclose(turn @ beam / np.linalg.norm(beam), [0, 0, 1]) and np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) > 0
    assert np.allclose(along_beam(np.array([0, 0, -2.0])) @ [1, 2, 3], [2, 1, -3])
