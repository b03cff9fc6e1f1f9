"""What an order may say beyond the least, and what a wrong one is told."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.worker.storage import Bucket, Picture, as_png, from_png, order
from tests.worker.test_handler import failure
from worker import transfer
from worker.engines import Model, Work, load_engine
from worker.engines.cpu import CpuEngine
from worker.failures import AttemptError
from worker.handler import Handler, load_before_work
from worker.order import Task
from worker.pictures import without_colour

PLACE = {"url": "http://127.0.0.1/x"}


def asking(**options: Any) -> dict[str, Any]:
    return {"seed": 1, "short_side_max": 480, **options}


async def refused(
    bucket: Bucket, photo: bytes = b"", *, engine: CpuEngine | None = None, **changes: Any
) -> dict[str, str]:
    """The failure of an order that stores nothing."""
    handler = Handler(engine or CpuEngine(), lambda _job, _progress: None)
    answer = await handler({"id": "1", "input": order(bucket, photo, **changes)})
    assert "PUT" not in bucket.requests
    return failure(answer)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "sharpen"}, "task: Input should be 'restore', 'colourize'"),
        ({"task": "bring_together"}, "bring_together takes 2 to 3 photos and there are 1"),
        ({"images": [PLACE] * 2}, "restore takes 1 photos and there are 2"),
        ({"images": [PLACE] * 400}, "images: List should have at most 3 items"),
        ({"images": [{**PLACE, "sha256": "A" * 64}]}, "images.0.sha256"),
        ({"task": "animate"}, "animate needs a place for its poster"),
        ({"poster": PLACE}, "nothing else has one"),
        ({"options": asking(note="x" * 10_000)}, "options.note: String should have at most 1000"),
        ({"options": asking(preset="superb")}, "options.preset: Input should be 'fast' or 'best'"),
        ({"options": asking(strength=0)}, "options.strength"),
        (
            {"task": "colourize", "options": asking(keep_black_and_white=True)},
            "colourize cannot keep a photo black and white",
        ),
        (
            {"task": "animate", "poster": PLACE, "options": asking(strength=0.5)},
            "animate has no strength",
        ),
    ],
)
async def test_a_wrong_order_is_told_what_is_wrong(
    changes: dict[str, Any], sentence: str, bucket: Bucket
) -> None:
    told = await refused(bucket, **changes)

    assert told["class"] == "input"
    assert sentence in told["detail"]
    assert bucket.requests == []


class _Restorer(CpuEngine):
    @property
    def tasks(self) -> Mapping[Task, Work]:
        return {"restore": super().tasks["restore"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "bring_together", "images": [PLACE] * 2},
        {"task": "animate", "poster": PLACE},
    ],
)
async def test_a_task_that_the_engine_cannot_do_is_refused_in_its_name(
    changes: dict[str, Any], bucket: Bucket
) -> None:
    told = await refused(bucket, engine=_Restorer(), **changes)

    assert told["class"] == "input"
    assert f"the engine cpu cannot {changes['task']}" in told["detail"]
    assert bucket.requests == []


async def test_another_photo_than_the_one_meant_is_refused(
    bucket: Bucket, portrait: Picture
) -> None:
    photo = as_png(portrait)
    images = [{"url": bucket.add("photo", photo), "sha256": hashlib.sha256(b"another").hexdigest()}]

    told = await refused(bucket, photo, images=images)

    assert told == {
        "class": "input",
        "detail": "the photo is not the one whose hash was given",
    }


async def test_ten_gigabytes_are_refused_before_they_come(bucket: Bucket) -> None:
    bucket.endless = True  # it announces a terabyte, then sends without end

    told = await refused(bucket, b"x")

    assert told["class"] == "input"
    assert f"over {transfer.DOWNLOAD_BYTES_MAX} bytes" in told["detail"]


async def test_the_photo_whose_hash_is_right_is_worked_on(
    bucket: Bucket, portrait: Picture
) -> None:
    photo = as_png(portrait)
    images = [{"url": bucket.add("photo", photo), "sha256": hashlib.sha256(photo).hexdigest()}]
    handler = Handler(CpuEngine(), lambda _job, _progress: None)

    answer = await handler({"id": "1", "input": order(bucket, photo, images=images)})

    assert answer["width"] == 320
    assert answer["model"] is None


async def restored(bucket: Bucket, photo: Picture, **options: Any) -> Picture:
    bucket.objects.pop("/result", None)
    handler = Handler(CpuEngine(), lambda _job, _progress: None)
    asked = order(bucket, as_png(photo), options=asking(**options))
    assert "error" not in await handler({"id": "1", "input": asked})
    return from_png(bucket.objects["/result"])


async def test_strength_is_how_much_of_the_work_is_seen(bucket: Bucket, portrait: Picture) -> None:
    whole = await restored(bucket, portrait)

    half = await restored(bucket, portrait, strength=0.5)

    between = (portrait.astype(np.float32) + whole) / 2
    assert float(np.abs(half - between).max()) <= 1
    assert not np.array_equal(half, whole)


async def test_what_is_to_stay_black_and_white_has_no_colour(
    bucket: Bucket, portrait: Picture
) -> None:
    assert np.ptp(await restored(bucket, portrait), axis=2).max() > 50

    grey = await restored(bucket, portrait, keep_black_and_white=True)

    assert np.ptp(grey, axis=2).max() == 0


class _WithoutWeights(CpuEngine):
    def load(self) -> None:
        raise AttemptError("infra", "the model Qwen/x is not on this machine")


async def test_a_missing_model_is_told_by_each_attempt_and_stores_nothing(
    bucket: Bucket, portrait: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    engine = _WithoutWeights()

    load_before_work(engine)
    told = await refused(bucket, as_png(portrait), engine=engine)

    assert "model.missing detail=the model Qwen/x" in caplog.text
    assert told == {"class": "infra", "detail": "the model Qwen/x is not on this machine"}


class _WithWeights(CpuEngine):
    model = Model("Qwen/x", "6f3ccc0b")


async def test_the_answer_names_the_model_and_its_revision(
    bucket: Bucket, portrait: Picture
) -> None:
    handler = Handler(_WithWeights(), lambda _job, _progress: None)

    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait))})

    assert answer["model"] == {"id": "Qwen/x", "revision": "6f3ccc0b"}


def test_a_broken_gpu_asks_for_a_fresh_worker() -> None:
    broken = AttemptError("infra", "the GPU failed", worker_is_broken=True).as_output()

    assert broken["refresh_worker"] is True
    assert "refresh_worker" not in AttemptError("infra", "the network").as_output()


@pytest.mark.parametrize("name", ["qwen", "wan"])
def test_an_engine_whose_packages_are_missing_says_where_they_are(name: str) -> None:
    with pytest.raises(SystemExit, match=f"ENGINE={name} needs .*worker/requirements-gpu.txt"):
        load_engine(name)


def test_an_unknown_engine_is_told_which_there_are() -> None:
    with pytest.raises(SystemExit, match="ENGINE=dall is unknown; there are: cpu, qwen, wan"):
        load_engine("dall")


async def test_the_answer_says_which_wishes_of_the_note_were_granted(
    bucket: Bucket, portrait: Picture
) -> None:
    handler = Handler(CpuEngine(), lambda _job, _progress: None)
    note = asking(note="the suit was blue, the car was red")
    asked = order(bucket, as_png(without_colour(portrait)), task="colourize", options=note)

    answer = await handler({"id": "1", "input": asked})

    assert answer["hints"] == {
        "applied": ["suit: blue"],
        "ignored": ["car: red (we cannot tell where a car is)"],
    }


async def test_restoring_says_that_it_colours_nothing(bucket: Bucket, portrait: Picture) -> None:
    handler = Handler(CpuEngine(), lambda _job, _progress: None)
    asked = order(bucket, as_png(portrait), options=asking(note="Grandfather's coat was green."))

    answer = await handler({"id": "1", "input": asked})

    assert answer["hints"] == {
        "applied": [],
        "ignored": ["coat: green (nothing is coloured here)"],
    }


async def test_two_people_are_brought_together_and_the_answer_says_how(
    bucket: Bucket, portrait: Picture
) -> None:
    handler = Handler(CpuEngine(), lambda _job, _progress: None)
    images = [{"url": bucket.add("one", as_png(portrait))}] * 2
    asked = order(bucket, b"", task="bring_together", images=images)

    answer = await handler({"id": "1", "input": asked})

    assert answer["made"] == "side by side"
    assert (answer["width"], answer["height"]) == portrait.shape[1::-1]


async def test_an_animated_photo_is_a_clip_with_its_poster(
    bucket: Bucket, portrait: Picture
) -> None:
    handler = Handler(CpuEngine(), lambda _job, _progress: None)
    poster = {"url": bucket.url("poster"), "headers": {"Content-Type": "image/png"}}
    asked = order(bucket, as_png(portrait), task="animate", poster=poster)

    answer = await handler({"id": "1", "input": asked})

    assert (answer["made"], answer["media_type"]) == ("camera move", "video/mp4")
    assert answer["clip_seconds"] == 4
    assert np.array_equal(from_png(bucket.objects["/poster"]), portrait)
