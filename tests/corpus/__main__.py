"""`make formats`: write docs/formats.md."""

from tests.corpus.table import PAGE, page

PAGE.write_text(page())
