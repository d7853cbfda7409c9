"""What is sent to break the page: each is a sentence, nothing falls over, and nothing is left on the disk (conftest.py)."""

import io
import json
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from prima_jax.clinic.model import Model
from prima_jax.clinic.serve.desk import MOST_INSIDE
from prima_jax.clinic.serve.uploads import LARGEST_PHOTOGRAPH
from tests.clinic.serve.conftest import client


def png(width=64, height=64):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def bomb():
    """A PNG of 100,000 x 100,000 pixels in its header, which would take 30 GB."""
    header = b"IHDR" + (100_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    whole = b"\x00\x00\x00\x0d" + header + zlib.crc32(header).to_bytes(4, "big")
    return png().replace(png()[8:33], whole)


def sent(files, **fields):
    return {"data": {"metadata": "{}", "views": ["white"] * len(files)} | fields, "files": [("images", f) for f in files]}


BAD = {
    "a text that is called a picture": (sent([("eye.png", b"no picture at all")]), "cannot be decoded"),
    "half of a picture": (sent([png(), ("eye.png", png(500, 500)[:300])]), "The photograph 2 of case 1 cannot be decoded"),
    "a program": (sent([("eye.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")]), "cannot be decoded"),
    "a bomb": (sent([("eye.png", bomb())]), "100000 x 100000 pixels, more than 178 million"),
    "too large": (sent([("eye.png", png() + bytes(LARGEST_PHOTOGRAPH))]), "more than 20 MB"),
    "too many": (sent([("eye.png", png())] * 13), "13 photographs: send 12 or fewer"),
    "none": ({"files": {"letters": b"x"}}, "has no photograph"),
    "an unknown key": (sent([png()], metadata='{"shoe_size": "43"}'), "no attribute 'shoe_size'"),
    "an unknown value": (sent([png()], metadata='{"trauma": "dragon"}'), "trauma"),
    "no number": (sent([png()], metadata='{"age": "old"}'), "age should be a number"),
    "no object": (sent([png()], metadata="[1]"), "expected an object"),
    "a key twice": (sent([png()], metadata='{"age": "1", "age": "2"}'), "twice"),
    "deep": (sent([png()], metadata="[" * 10_000), "nested too deep"),
    "an unknown view": (sent([png()], views=["sideways"]), "a view that the study does not have"),
    "too few views": (sent([png(), png()], views=["white"]), "expected one for each of 2 images, found 1"),
    "a rate that is none": (sent([png()], error_rate="often"), "expected a number between 0 and 1"),
    "a rate too small": (sent([png()], error_rate="1e-9"), "cannot be promised"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_told_in_a_sentence(browser, what):
    arguments, sentence = BAD[what]
    answer = browser.post("/api/predict", **arguments)
    assert answer.status_code == 422 and sentence in answer.json()["error"]
    assert "Traceback" not in answer.text and "dragon" not in answer.text and "old" not in answer.json()["error"].split()


def test_what_is_no_form_is_refused_before_a_model_is_asked(blank):
    browser = client(blank)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for body, headers in ((b"{}", {"Content-Type": "application/json"}), (b"garbage", kind), (b"", {})):
        assert browser.post("/api/predict", content=body, headers=headers).status_code == 422
    assert browser.post("/predict", content=b"x", headers=kind | {"Content-Length": str(10**9)}).status_code == 413
    long = {"files": {"images": png()}, "data": {"metadata": "x" * 100_000}}
    assert "its texts short" in browser.post("/api/predict", **long).json()["error"]


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_other_sites_are_refused(blank, headers):
    assert client(blank).post("/predict", files={"photograph:white": png()}, headers=headers).status_code in (400, 403)


def test_a_fault_tells_nothing_of_the_inside_and_is_counted(blank):
    answer = client(blank).post("/predict", files={"photograph:white": png()}, headers={"HX-Request": "true"})
    assert answer.status_code == 500 and "Something went wrong" in answer.text and "predict" not in answer.text
    assert blank.counts["faults"] == 1


@pytest.mark.slow
def test_two_hundred_at_once_are_answered_one_at_a_time_or_told_to_wait(desk, case, monkeypatch):
    _, (view, file) = case
    inside, most, lock, before = 0, 0, threading.Lock(), Model.predict

    def counted(self, *given, **named):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.2)
        found = before(self, *given, **named)
        with lock:
            inside -= 1
        return found

    monkeypatch.setattr(Model, "predict", counted)
    browser, body = client(desk), file.read_bytes()

    def one(_):
        return browser.post("/api/predict", data={"views": view}, files={"images": body})

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(one, range(200)))
    codes = Counter(answer.status_code for answer in answers)
    assert set(codes) == {200, 503} and codes[200] >= MOST_INSIDE and most == 1
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert "try again" in refused.json()["error"] and refused.headers["Retry-After"] == "5"
    assert desk.counts["answers"] == codes[200] and desk.counts["refused"] == codes[503]
    assert len({json.dumps(answer.json()) for answer in answers if answer.status_code == 200}) == 1
    assert one(0).status_code == 200, "the places are free again"
