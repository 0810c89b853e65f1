"""Times as SLURM writes them."""

import pytest

from fxs_hpc.cli.emc_arguments import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 5400), ("90:30", 5430), ("1:30:00", 5400), ("1-12", 129600), ("0-00:30", 1800), ("2-01:02:03", 176523)],
)
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "-5:00", "1.5"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError):
        seconds(text)
