"""A short run on every push; `make fuzz` is the long one. And: would the fuzzer notice?"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from services.processing.sandbox import Crashed, Sandbox
from services.uploads import inspection
from tests.fuzz import decode, report
from tests.fuzz.mutations import MUTATIONS, Mutation, mutated
from tests.fuzz.originals import originals
from tests.fuzz.parts import mend_checksums, parts
from tests.fuzz.report import Report
from tests.fuzz.resources import GROWTH_BYTES_MAX, Held
from tests.uploads import pictures

FILES = 5_000


@pytest.fixture(autouse=True)
def _no_reproducers_of_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report, "REPRODUCERS", tmp_path / "reproducers")


async def test_no_broken_file_breaks_a_promise() -> None:
    seen = await decode.run(originals(), files=FILES, seed=1, workers=2)

    assert seen.broken() == [], seen.text()
    assert seen.files("header") == FILES
    assert seen.files("decoder") > FILES / 4
    assert seen.files("prepare") > FILES / 200


async def test_what_inspection_lets_out_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def careless(*_: object, **__: object) -> None:
        raise IndexError("a header that ends too early")

    monkeypatch.setattr(decode, "inspect", careless)

    seen = await decode.run(originals(), files=10, seed=1, workers=1)

    assert len(seen.breaches) == 10
    assert len(list((tmp_path / "reproducers").iterdir())) == 10


async def test_a_file_that_kills_its_decoder_is_found_among_others(
    tmp_path: Path,
) -> None:
    class Fragile(Sandbox):
        """Dies of one file, whoever is decoded with it."""

        async def run(self, task: str, *, folder: Path, **arguments: object) -> dict[str, object]:
            if any(path.read_bytes() == b"deadly" for path in folder.iterdir()):
                raise Crashed("SIGSEGV")
            return await super().run(task, folder=folder, **arguments)

    box, seen = Fragile(workers=1, tasks="tests.fuzz.tasks"), Report(seed=1)
    batch = [decode.File(number, pictures.HTML, "other") for number in range(1, 8)]
    batch[3] = replace(batch[3], data=b"deadly")
    try:
        await decode._decode(box, tmp_path, batch, seen)
    finally:
        box.close()

    assert seen.crashes == Counter({"SIGSEGV": 1})
    assert seen.outcomes["decoder"]["other", "not-a-photo"] == 6
    assert [file.name for file in (tmp_path / "reproducers").iterdir()] == ["SIGSEGV-seed1-4"]


def test_what_grows_is_noticed() -> None:
    before = Held(100, 100, 20, 0, 0)

    assert before.growth_to(replace(before, service_bytes=100 + GROWTH_BYTES_MAX)) == []
    assert before.growth_to(Held(200 + GROWTH_BYTES_MAX, 200 + GROWTH_BYTES_MAX, 21, 1, 1)) == [
        "the service's memory",
        "the wardens' memory",
        "descriptors",
        "processes",
        "temporary files",
    ]


def test_a_file_can_be_made_again() -> None:
    good = originals()
    first = [mutated(good, seed=3, number=number) for number in range(50)]

    assert [mutated(good, seed=3, number=number) for number in range(50)] == first
    assert len(set(first)) > 45
    assert first[7] != mutated(good, seed=4, number=7)


@pytest.mark.parametrize("mutation", set(MUTATIONS), ids=lambda mutation: mutation.__name__)
def test_every_mutation_changes_files_of_every_format(mutation: Mutation) -> None:
    every = originals()
    for original in (
        pictures.jpeg(),
        pictures.png(),
        pictures.webp_that_claims(64, 64),
        pictures.heic(),
    ):
        changed = [bytearray(original) for _ in range(10)]
        for number, data in enumerate(changed):
            mutation(data, Random(number), every)

        assert any(data != original for data in changed)


def test_the_parts_of_each_format_are_found() -> None:
    jpeg, png, heic = pictures.jpeg(), pictures.png(), pictures.heic()

    assert [jpeg[part.start + 1] for part in parts(jpeg)][:2] == [0xE0, 0xDB]
    assert [png[part.start + 4 : part.start + 8] for part in parts(png)] == [
        *(b"IHDR", b"IDAT", b"IEND")
    ]
    names = [heic[part.start + 4 : part.start + 8] for part in parts(heic)]
    assert {b"ftyp", b"meta", b"iprp", b"ispe", b"mdat"} <= set(names)


def test_a_changed_chunk_gets_a_right_checksum() -> None:
    """Otherwise every broken PNG would be refused at its checksum, and nothing else be tried."""
    broken = bytearray(pictures.png())
    broken[16 + 3] = 64  # the width

    mend_checksums(broken)

    assert inspection.inspect(bytes(broken), bytes(broken), size=len(broken)).width == 64
