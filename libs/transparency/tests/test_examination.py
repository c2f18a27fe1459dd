"""What differences between rows and the tree mean together."""

from __future__ import annotations

import pytest

from privity_transparency import merkle
from privity_transparency.tiles import Growth
from privity_transparency.verifier.examination import Examination, Row
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.trusted import TrustedTiles

HASHES = [merkle.leaf_hash(bytes([number])) for number in range(8)]
COPIED = Row(3, "rec_copy", HASHES[3], ((Fault.COLUMN, "recorded_at"),))
WHOLE = [Row(place, f"rec_{place}", each) for place, each in enumerate(HASHES)]


def examined(rows: list[Row]) -> Report:
    growth, report = Growth(), Report()
    tiles = growth.append(HASHES)
    trusted = TrustedTiles(8, growth.root(), tiles, report, expected=tiles)
    examination = Examination(trusted, report, {8: growth.root()})
    examination.batch(0, 8, None, rows)
    examination.finish(trusted.lowest())
    return report


def test_rows_as_they_were_signed_are_clean() -> None:
    assert examined(WHOLE).clean


@pytest.mark.parametrize("rows", [[*WHOLE, COPIED], [COPIED, *WHOLE]])
def test_of_two_that_are_alike_the_one_whose_columns_fit_is_the_record(rows: list[Row]) -> None:
    [finding] = examined(rows).findings

    assert (finding.fault, finding.index, finding.record_id) == (Fault.DUPLICATED, 3, "rec_copy")


def test_three_that_went_round_are_three_that_changed_places() -> None:
    rows = [*WHOLE]
    for place, other in ((1, 2), (2, 5), (5, 1)):
        rows[place] = WHOLE[other]._replace(position=place)

    found = {(each.fault, each.index) for each in examined(rows).findings}

    assert found == {(Fault.REORDERED, place) for place in (1, 2, 5)}


def test_a_record_that_stands_elsewhere_was_moved_and_is_not_missing() -> None:
    rows = [row for row in WHOLE if row.position != 4] + [WHOLE[4]._replace(position=99)]

    assert [(each.fault, each.index) for each in examined(rows).findings] == [(Fault.REORDERED, 4)]
