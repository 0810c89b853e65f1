"""Defaults of reconstruct that depend on other keys: dimensions and preset."""

from typing import Any

import pytest

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.config.settings import assembled
from fxs_hpc.errors import SettingsError


def model(**tree: Any) -> Reconstruct:
    found = assembled("reconstruct", tree, None).model
    assert isinstance(found, Reconstruct)
    return found


def main_steps(settings: Reconstruct) -> dict[str, int]:
    return {str(name): method.iterations for name, method in settings.main_loop.sub_loops.loops["main"].methods.items()}


def test_defaults_of_space_and_plane() -> None:
    space, plane = model(dimensions=3), model(dimensions=2)
    assert main_steps(space) == {"HIO": 60, "ER": 40, "SW": 1} and main_steps(plane) == {"HIO": 90, "ER": 10, "SW": 1}
    assert not space.projections.reciprocal.SO_freedom.use and plane.projections.reciprocal.SO_freedom.use
    assert plane.output_density_modifiers.fix_orientation and not plane.output_density_modifiers.shift_to_center
    assert plane.IO.files.reconstructions.options.generate_2d_images


def test_what_a_file_says_stays() -> None:
    loops = {"main": {"methods": {"HIO": 3, "ER": 4}, "order": ["HIO", "ER"], "iterations": 7}}
    given = model(dimensions=2, main_loop={"sub_loops": loops}, projections={"reciprocal": {"SO_freedom": {"use": False}}})
    assert main_steps(given) == {"HIO": 3, "ER": 4} and given.main_loop.sub_loops.loops["main"].iterations == 7
    assert not given.projections.reciprocal.SO_freedom.use


@pytest.mark.parametrize(("dimensions", "hio", "er"), [(3, 60, 40), (2, 90, 10)])
@pytest.mark.parametrize("key", ["methods", "mehtods"])
def test_what_a_block_leaves_out_has_its_default(dimensions: int, hio: int, er: int, key: str) -> None:
    """As in the reference program, whose settings merge with its defaults down to the single key."""
    for methods, steps in (
        ({"HIO": {"iterations": 30}}, {"HIO": 30, "ER": er, "SW": 1}),
        ({"HIO": {"ft_stab": False}, "ER": 7}, {"HIO": hio, "ER": 7, "SW": 1}),
        ({"RAAR": 5}, {"HIO": hio, "ER": er, "SW": 1, "RAAR": 5}),
    ):
        given = model(dimensions=dimensions, main_loop={"sub_loops": {"main": {key: methods}}})
        assert main_steps(given) == steps
    assert (
        not model(main_loop={"sub_loops": {"main": {key: {"HIO": {"ft_stab": False}}}}})
        .main_loop.sub_loops.loops["main"]
        .methods["HIO"]
        .ft_stab
    )
    ours = model(main_loop={"sub_loops": {"order": ["own"], "own": {key: {"ER": 3}, "order": ["ER"]}}})
    assert list(ours.main_loop.sub_loops.loops["own"].methods) == ["ER"]


def test_the_reference_preset_doubles_the_data_in_space_alone() -> None:
    """The reference program multiplies V_l by 2, but v_n of the plane by nothing."""
    space, plane = (model(dimensions=d, preset="reference") for d in (3, 2))
    assert space.projections.reciprocal.scale == 2 and plane.projections.reciprocal.scale == 1
    for settings in (space, plane):
        assert settings.grid.angular_grid == "shtns" and settings.grid.amplitude_order == settings.grid.max_order
        assert not settings.projections.reciprocal.keep_unknown_orders
    assert main_steps(plane)["HIO"] == 90


def test_rotations_in_space_are_left_to_average() -> None:
    with pytest.raises(SettingsError, match=r"SO_freedom\.use: only in 2D"):
        model(dimensions=3, projections={"reciprocal": {"SO_freedom": {"use": True}}})


@pytest.mark.parametrize("orders", [[0, 2], [2, 64], [70]])
def test_errors_are_drawn_of_orders_that_are_imposed(orders: list[int]) -> None:
    options = {"files": {"reconstructions": {"options": {"plot_invariant_error": orders}}}}
    with pytest.raises(SettingsError, match="plot_invariant_error.*used_order_ids"):
        model(IO=options)
