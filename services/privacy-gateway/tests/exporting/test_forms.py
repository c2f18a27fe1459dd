"""What a form does with what it is given."""

import pytest

from privacy_gateway.domain.exporting.formats import cell


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(start):
    assert cell(f"{start}cmd|'/C calc'!A0") == f"'{start}cmd|'/C calc'!A0"


@pytest.mark.parametrize(("value", "written"), [(None, ""), (7, "7"), ("t1:-x", "t1:-x")])
def test_other_cells_stay_as_they_are(value, written):
    assert cell(value) == written
