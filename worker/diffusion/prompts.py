"""Prompts: words that are data, with a customer's note woven in where it can do no harm.

A prompt is three sentences or more: the task, what the note says as a quotation, and last what
always holds, that nobody becomes somebody else. The note is reduced to plain words first: without
quotation marks it cannot end its quotation, without `<|…|>` it is no turn of the model's own
chat template, without `&` it hides nothing from a pipeline that decodes HTML.
"""

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.order import Task

PUNCTUATION = frozenset(" .,;:!?'()-/%")
QUOTES = str.maketrans(
    dict.fromkeys('"\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a`\u00b4', "'")
)


@dataclass(frozen=True, slots=True)
class Prompts:
    """One version of the words for every task of an engine.

    A note is bounded in bytes, because no tokenizer makes more tokens than that of them: it cannot
    push the last sentence out of what a model reads.
    """

    version: str
    note_bytes_max: int
    tasks: Mapping[str, str]
    note: str
    always: str
    negative: str

    def write(self, task: Task, note: str | None) -> str:
        """Build the whole prompt of one attempt."""
        words = plain_words(note or "", bytes_max=self.note_bytes_max)
        quoted = [self.note.format(note=words)] if words else []
        return " ".join([self.tasks[task], *quoted, self.always])


def read_prompts(file: Path) -> Prompts:
    told: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return Prompts(**told)


def plain_words(note: str, *, bytes_max: int) -> str:
    """Keep letters, digits and plain punctuation, on one line, within the bound."""
    unified = unicodedata.normalize("NFKC", note).translate(QUOTES)
    kept = "".join(sign if _is_plain(sign) else " " for sign in unified)
    return _bounded(" ".join(kept.split()), bytes_max)


def _is_plain(sign: str) -> bool:
    return sign in PUNCTUATION or unicodedata.category(sign)[0] in "LMN"


def _bounded(words: str, bytes_max: int) -> str:
    data = words.encode()
    if len(data) <= bytes_max:
        return words
    cut = data[:bytes_max].decode(errors="ignore")
    whole, space, _ = cut.rpartition(" ")
    return whole if space else cut
