"""The pages as pictures, beside those somebody has looked at; `pytest --update` renews them, to be looked at again.

The typesetter draws them itself, so that no other program's taste comes in. A few points of a picture may differ, as
processors round differently; a moved word or another colour may not.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from schemas.formats.facturx import page
from tests.schemas.page_samples import PICTURES

FOLDER = Path(__file__).parents[1] / "samples" / "pages"
POINTS_PER_INCH = 76
COLOURS = 48
SIZE_LIMIT = 80_000
SHADE, SHARE = 48, 0.0005
"""A point differs when a colour of it does by so much; so many of all points may."""


def drawn(name: str) -> dict[str, Image.Image]:
    """The pages that are kept of one invoice, in few colours."""
    invoice, language, presentation, kept = PICTURES[name]
    made = page._compiler().compile(
        sys_inputs=page.inputs(invoice, language, presentation), format="png", ppi=POINTS_PER_INCH
    )
    sheets = made if isinstance(made, list) else [made]
    found = {}
    for number in kept:
        data = sheets[number - 1 if number > 0 else number]
        assert isinstance(data, bytes)
        with Image.open(BytesIO(data)) as image:
            few = image.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        found[f"{name}-{number}" if number > 0 else f"{name}-last{number + 1 or ''}"] = few
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_the_page_looks_as_it_did_when_somebody_looked(name: str, pytestconfig: pytest.Config) -> None:
    for stem, image in drawn(name).items():
        path = FOLDER / f"{stem}.png"
        if pytestconfig.getoption("update"):
            image.save(path, optimize=True)
        assert path.stat().st_size < SIZE_LIMIT
        with Image.open(path) as known:
            assert known.size == image.size
            apart = ImageChops.difference(known.convert("RGB"), image.convert("RGB")).convert("L")
        differing = sum(apart.histogram()[SHADE:])
        assert differing <= SHARE * image.size[0] * image.size[1], f"{stem}: {differing} points differ; look at it"


def test_there_is_no_picture_of_what_is_not_drawn() -> None:
    known = {
        f"{name}-{number}" if number > 0 else f"{name}-last{number + 1 or ''}"
        for name, (_, _, _, kept) in PICTURES.items()
        for number in kept
    }
    assert {path.stem for path in FOLDER.glob("*.png")} == known
