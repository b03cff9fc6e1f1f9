"""Every file of the corpus at the door: who is let in, who is not, how fast, and what is said."""

import subprocess
import sys
import time
import tracemalloc

import pytest

from services.kit.problems import Problem
from services.uploads import inspection
from services.uploads.errors import REFUSALS
from tests.corpus import ACCEPTED, Variant, variants
from tests.corpus.table import TAIL_BYTES, look

SECONDS_MAX, MEMORY_MAX = 1.0, 32 * 2**20
REFUSED = [variant for variant in variants() if variant.expected != ACCEPTED]


def name_of(variant: Variant) -> str:
    return f"{variant.family}: {variant.name}"


def refusal_of(data: bytes) -> Problem | None:
    try:
        look(data)
    except Problem as refusal:
        return refusal
    return None


def test_the_corpus_has_names_of_its_own_and_makes_the_same_files_again() -> None:
    names = [name_of(variant) for variant in variants()]

    assert len(set(names)) == len(names) > 250
    for first, second in zip(variants()[::10], variants()[::10], strict=True):
        assert first.data == second.data


@pytest.mark.parametrize("variant", variants(), ids=name_of)
def test_the_door_knows_every_file(variant: Variant) -> None:
    refusal = refusal_of(variant.data)

    if variant.expected == ACCEPTED or variant.late:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code == variant.expected


@pytest.mark.parametrize("variant", REFUSED, ids=name_of)
def test_a_refusal_from_the_header_is_quick_and_small(variant: Variant) -> None:
    data = variant.data
    tracemalloc.start()
    began = time.process_time()

    refusal_of(data)

    took, (_, memory) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < SECONDS_MAX
    assert memory < MEMORY_MAX


@pytest.mark.parametrize("variant", REFUSED, ids=name_of)
def test_a_refusal_can_be_said_again_and_says_what_to_do(variant: Variant) -> None:
    refusal = refusal_of(variant.data)

    if refusal:
        assert refusal.code in REFUSALS
        assert any(
            word in refusal.detail
            for word in ("upload that", "Upload", "retry", "at least", "Make it smaller")
        )
        assert not any(secret in refusal.detail for secret in ("script", "private", "Dear"))


def test_the_smaller_half_of_what_is_read_is_enough_for_most_files() -> None:
    for variant in variants():
        if variant.expected == ACCEPTED and "400 KB" not in variant.name:
            inspection.inspect(
                variant.data[: 256 * 1024], variant.data[-TAIL_BYTES:], size=len(variant.data)
            )


def test_no_decoder_is_loaded_where_everybody_is_served() -> None:
    look_for = "{'PIL', 'cv2', 'pillow_heif', 'numpy'} & set(sys.modules)"
    script = f"import sys, services.uploads.app, services.uploads.arrivals; print({look_for})"

    seen = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    assert seen.stdout.strip() == "set()"
