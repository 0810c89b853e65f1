"""Densities and structures for simulations; mrcfile and gemmi write what is read."""

import gemmi
import mrcfile
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.density_files import read_density
from fxs_hpc.files.structures import read_atoms
from fxs_hpc.files.vts import write_vts

DENSITY = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 1, 2)])
def test_mrc_maps_in_any_order_of_axes(axes, tmp_path):
    # Columns run along axis axes[0] (1 = x), rows along axes[1], sections along axes[2].
    stored = DENSITY.transpose(axes[2] - 1, axes[1] - 1, axes[0] - 1)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(np.ascontiguousarray(stored))
        file.voxel_size = (1.5, 1.5, 1.5)
        file.header.mapc, file.header.mapr, file.header.maps = axes
    found = read_density(tmp_path / "a.mrc")
    assert np.array_equal(found.density, DENSITY) and found.voxel == pytest.approx((1.5, 1.5, 1.5))


def test_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", density=DENSITY, voxel=2.0)
    found = read_density(tmp_path / "a.npz")
    assert found.voxel == (2.0, 2.0, 2.0) and np.array_equal(found.density, DENSITY)


def test_spherical_grids(tmp_path):
    r, theta, phi = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0, 2.5]), 2 * np.pi * np.arange(5) / 5
    write_vts(tmp_path / "a.vts", r, theta, phi, {"density": DENSITY})
    np.savez(tmp_path / "b.npz", density=DENSITY, r=r, theta=theta, phi=phi)
    for name in ("a.vts", "b.npz"):
        found = read_density(tmp_path / name)
        for ours, expected in zip((found.r, found.theta, found.phi, found.density), (r, theta, phi, DENSITY), strict=True):
            assert ours == pytest.approx(expected, abs=1e-6)


def test_structures_are_centred_at_their_mass(tmp_path):
    structure = gemmi.Structure()
    structure.cell = gemmi.UnitCell(50, 50, 50, 90, 90, 90)
    model, chain, residue = gemmi.Model(1), gemmi.Chain("A"), gemmi.Residue()
    residue.name, residue.seqid = "GLY", gemmi.SeqId("1")
    for name, element, x in (("C1", "C", 10.0), ("O1", "O", 14.0)):
        atom = gemmi.Atom()
        atom.name, atom.element, atom.pos, atom.occ = name, gemmi.Element(element), gemmi.Position(x, 20, 30), 1.0
        residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.write_pdb(str(tmp_path / "a.pdb"))
    atoms = read_atoms(tmp_path / "a.pdb", b_factor=5.0)
    carbon, oxygen = gemmi.Element("C"), gemmi.Element("O")
    centre = (10 * carbon.weight + 14 * oxygen.weight) / (carbon.weight + oxygen.weight)
    assert atoms.positions["C"] == pytest.approx(np.array([[10 - centre, 0, 0]]))
    assert atoms.positions["O"] == pytest.approx(np.array([[14 - centre, 0, 0]]))
    for q in (0.0, 1.0, 3.0):
        assert atoms.factors["O"].at(np.array(q * q)) == pytest.approx(oxygen.it92.calculate_sf(q * q / (4 * np.pi) ** 2))


def test_mistakes(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        read_density(tmp_path / "no.mrc")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputFileError, match="no density is read from .txt"):
        read_density(tmp_path / "a.txt")
    (tmp_path / "a.mrc").write_text("x")
    with pytest.raises(InputFileError, match="no readable MRC"):
        read_density(tmp_path / "a.mrc")
    np.savez(tmp_path / "a.npz", other=DENSITY)
    with pytest.raises(InputFileError, match="holds no density"):
        read_density(tmp_path / "a.npz")
    (tmp_path / "a.pdb").write_text("nothing\n")
    with pytest.raises(InputFileError, match="a.pdb"):
        read_atoms(tmp_path / "a.pdb")
