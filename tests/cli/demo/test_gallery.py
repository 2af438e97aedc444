from __future__ import annotations

from pathlib import Path

from PIL import Image

from hashsvc.cli.demo.gallery import RIGHT, TILE, WRONG, Tile, draw_gallery


def test_a_row_for_each_query_framed_by_right_and_wrong(tmp_path: Path) -> None:
    picture = tmp_path / "dot.png"
    Image.new("L", (8, 8), 0).save(picture)
    rows = [[Tile(picture, "asked"), Tile(picture, "1", right=True), Tile(picture, "9", right=False)]] * 3
    draw_gallery(rows, tmp_path / "gallery.png", title="three")
    with Image.open(tmp_path / "gallery.png") as drawn:
        assert drawn.width > 3 * TILE
        assert drawn.height > 3 * TILE
        colours = {colour for _, colour in drawn.getcolors(maxcolors=1 << 16) or ()}
    assert {RIGHT, WRONG, (0, 0, 0)} <= colours
