"""What people give the app: photos, a film for a camera that is none, and a lie."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from deploy.local import pictures
from tests.journeys import photos

FILM_SIZE = (1280, 960)
FRAMES = 3
TABLE, TABLE_SIZE = (38, 34, 32), (900, 1100)
PRINT_SIZE, PRINT_PLACE = (560, 700), (150, 180)


def write(folder: Path) -> None:
    """Everything that the tests of the app choose from, by the names they use."""
    on_a_table(pictures.old_print(folder), folder / "print.jpg")
    photos.heic(folder / "print.heic")
    photos.album_page(folder / "album.jpg")
    for name in ("page.jpg", "second.jpg", "third.jpg", "attic.jpg"):
        photos.jpeg(folder / name)
    (folder / "words.txt").write_text("These are words.")
    (folder / "lie.jpg").write_text("This is no picture, whatever its name says. " * 40)
    film(folder / "print.mjpeg")


def on_a_table(print_: Path, path: Path) -> None:
    """An old print on a dark table, as somebody takes a picture of it."""
    table = Image.new("RGB", TABLE_SIZE, TABLE)
    with Image.open(print_) as picture:
        table.paste(picture.resize(PRINT_SIZE), PRINT_PLACE)
    table.save(path, "JPEG", quality=92)


def film(path: Path) -> None:
    """A print under a camera that does not move, as Chromium's fake camera plays it."""
    width, height = FILM_SIZE
    frame = Image.new("RGB", FILM_SIZE, TABLE)
    scene = photos.faded_scene(560, 700)
    frame.paste(scene, ((width - scene.width) // 2, (height - scene.height) // 2))
    shot = BytesIO()
    frame.save(shot, "JPEG", quality=90)
    path.write_bytes(shot.getvalue() * FRAMES)
