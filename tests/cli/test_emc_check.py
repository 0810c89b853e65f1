"""`fxs-hpc check` on a fresh working directory."""

from pathlib import Path

from click.testing import CliRunner

from fxs_hpc.cli.main import main


def test_what_cannot_be_planned_yet_counts_as_such(tmp_path: Path):
    """No stage without its inputs is said to take no memory, and the total says how many it leaves out."""
    work = tmp_path / "work"
    assert CliRunner().invoke(main, ["init", str(work)]).exit_code == 0
    result = CliRunner().invoke(main, ["check", str(work / "config.ini")])
    assert result.exit_code == 0, result.output
    stages = result.output.partition("refine-orientations\n")[2].splitlines()
    assert stages[0] == "  cannot be planned yet" and stages[1].startswith("  missing: ") and "memory 0 B" not in result.output
    later = result.output.count("cannot be planned yet") - 1
    assert f"together, without {later} stages that cannot be planned yet" in result.output
