"""The page that a phone opens, and the QR code that leads there."""

import re
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from services.gateway.app import contract
from services.gateway.settings import GatewaySettings
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door
from tests.gateway.phones import handed

PIXELS_PER_MODULE = 6


def drawn(svg: str) -> NDArray[np.uint8]:
    """The picture of a QR code: segno draws each run of dark modules as a stroke one unit high."""
    document = ET.fromstring(svg)
    side = int(document.attrib["viewBox"].split()[2])
    modules = np.full((side, side), 255, np.uint8)
    (path,) = document.iter("{http://www.w3.org/2000/svg}path")
    x, y = 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path.attrib["d"]):
        values = [float(number) for number in numbers.split()]
        if command == "h":
            modules[int(y), int(x) : int(x + values[0])] = 0
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])
    return modules.repeat(PIXELS_PER_MODULE, 0).repeat(PIXELS_PER_MODULE, 1)


async def test_a_camera_reads_the_address_from_the_code(door: Door) -> None:
    async with door.visit() as desktop:
        begun = await handed(desktop)

    read, _, _ = cv2.QRCodeDetector().detectAndDecode(drawn(begun["qr_svg"]))

    assert read == begun["address"]
    assert "<script" not in begun["qr_svg"]


async def test_the_page_needs_no_account_and_runs_its_own_script_only(door: Door) -> None:
    async with door.browse() as phone:
        page = await phone.get("/handoff")
        paths = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        files = [await phone.get(path) for path in paths]

    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert {answer.status_code for answer in files} == {200}
    assert set(paths) >= {"/handoff.js", "/handoff.css", "/style.css"}
    assert "<style" not in page.text
    assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=", page.text)


async def test_the_page_may_speak_to_us_and_to_the_storage_only(open_door: OpenDoor) -> None:
    door = open_door(storage_origin="https://photos.example:8333/")
    async with door.browse() as phone:
        policy = (await phone.get("/handoff")).headers["content-security-policy"]

    said = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert said["connect-src"] == "'self' https://photos.example:8333"
    assert said["default-src"] == said["form-action"] == said["frame-ancestors"] == "'none'"
    assert said["script-src"] == "'self'"


@pytest.mark.parametrize("origin", ["", "photos.example", "https://a b", "https://a;b", "*"])
def test_what_is_no_origin_does_not_get_into_a_policy(origin: str) -> None:
    with pytest.raises(ValidationError, match="storage_origin"):
        GatewaySettings.model_validate({"storage_origin": origin})


async def test_the_script_asks_only_for_what_a_phone_may_use(door: Door) -> None:
    async with door.browse() as phone:
        script = (await phone.get("/handoff.js")).text

    asked = re.findall(r'ask\("(\w+)", ["`]([^"`]+)["`]', script)
    operations = {(m.lower(), re.sub(r"\$\{[^}]+\}", "{photo_id}", path)) for m, path in asked}
    described = contract()["paths"]
    assert operations == {
        ("get", "/v1/handoffs/current"),
        ("post", "/v1/photos"),
        ("post", "/v1/photos/{photo_id}/complete"),
    }
    for method, path in operations:
        assert {"handoff": []} in described[path][method]["security"]
    assert "innerHTML" not in script
