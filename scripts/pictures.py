"""Take the README's pictures of a finished demo that is served.

python scripts/pictures.py runs/demo/RUN http://127.0.0.1:1337
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.serving.browser import browser

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 900, 700
TEXT = "Merge two tables on a shared column, keeping the rows of the left one that have no match."
CLASSIFIED = "!document.getElementById('answer').hidden"


def main(run: Path, url: str) -> None:
    """Write report.png and page.png."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as page:
        page.open((run.resolve() / "report.html").as_uri(), WIDTH, HEIGHT)
        page.screenshot(PICTURES / "report.png")
        page.open(url + "/", WIDTH, HEIGHT)
        page.wait_for("!document.getElementById('classify').disabled")
        page.run("document.getElementById('text').focus()")
        page.type(TEXT)
        page.run("document.getElementById('classify').click()")
        page.wait_for(CLASSIFIED)
        page.screenshot(PICTURES / "page.png")
    for name in ("report.png", "page.png"):
        crop(PICTURES / name)


def crop(picture: Path) -> None:
    """Keep the top of a page in few colours, if ImageMagick is there: a README loads fast."""
    if convert := shutil.which("convert"):
        size = f"{WIDTH}x{HEIGHT}+0+0"
        subprocess.run(
            [convert, picture, "-crop", size, "+repage", "-strip", "-colors", "64", picture],
            check=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
