"""What the page asks, what it answers, and that programs get the JSON of the command."""

import base64
import html
import json
import re
from dataclasses import replace

import pytest

from prima_jax.clinic.case_flags import one_case
from prima_jax.clinic.serve.form import case_of_form
from prima_jax.clinic.serve.uploads import Sent
from tests.clinic.serve.conftest import client


def text(answer):
    """What a reader sees of a page, roughly."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def form_of(row, names):
    return {f"of:{name}": row[name] for name in names}


def test_the_form_asks_what_models_may_see_and_nothing_else(blank):
    page = client(blank).get("/").text
    asked = set(re.findall(r'name="of:(\w+)"', page))
    assert asked == {attribute.name for attribute in blank.model.study.shown()}
    assert 'name="of:age" placeholder="18 to 85 in training"' in page
    assert re.search(r'<select name="of:trauma"><option value="">unknown</option><option value="\w+">', page)
    assert set(re.findall(r'name="photograph:(\w+)"', page)) == set(blank.model.study.image_types)
    assert page.count('capture="environment"') == 3 and "SYNTHETIC" in page and "NOT A MEDICAL DEVICE" in page


def test_a_number_of_the_page_has_the_studys_decimal_sign(blank):
    sent = Sent((("of:age", "40.5"), ("of:trauma", "")), (("photograph:white", b"picture"),))
    assert case_of_form(replace(blank.model.study, decimal=","), sent).metadata == {"age": "40,5"}


def test_pages_load_from_this_machine_alone(blank):
    browser = client(blank)
    for path in ("/", "/docs"):
        page = browser.get(path)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text)
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert all(browser.get(link).status_code == 200 for link in re.findall(r'(?:src|href)="(/[\w./]+)"', page.text))
    described = browser.get("/openapi.json").json()["paths"]
    assert list(described) == ["/api/predict"]


@pytest.mark.slow
def test_the_answer_says_what_it_rests_on(browser, model, case):
    row, (view, file) = case
    known = form_of(row, ["trauma"]) | {"of:age": "99", "error_rate": "0.2"}
    answer = browser.post("/predict", data=known, files={f"photograph:{view}": file.read_bytes()}, headers={"HX-Request": "true"})
    said, one = text(answer), model.predict([one_case(model.study, [f"{view}:{file}"], [f"age=99,trauma={row['trauma']}"])])[0]
    assert answer.status_code == 200 and one.sentence in said
    for name, p in zip(one.class_names, one.probabilities, strict=True):
        assert f"{model.study.classes[name]} {100 * p:.1f} % ±" in said
    assert "base rate" in said and "at an error rate of 20 %" in said
    assert "NEVER SEEN IN TRAINING: the values of age" in said and "Not given: " in said
    assert all(warning in said for warning in model.warnings)


@pytest.mark.slow
def test_without_javascript_it_is_a_page_of_its_own(browser, case):
    _, (view, file) = case
    answer = browser.post("/predict", files={f"photograph:{view}": file.read_bytes()})
    assert answer.status_code == 200 and "<!doctype html>" in answer.text and "Another case" in answer.text


@pytest.mark.slow
def test_programs_get_what_the_command_prints(browser, model, case):
    row, (view, file) = case
    known = {"age": row["age"], "trauma": row["trauma"]}
    sent = {"metadata": json.dumps(known), "views": view, "error_rate": "0.2"}
    answer = browser.post("/api/predict", data=sent, files={"images": file.read_bytes()})
    flags = [f"{key}={value}" for key, value in known.items()]
    assert answer.json() == model.predict([one_case(model.study, [f"{view}:{file}"], flags)], error_rate=0.2).as_json()


@pytest.mark.slow
def test_why_shows_a_table_and_pictures(browser, case):
    row, (view, file) = case
    answer = browser.post("/explain", data=form_of(row, ["age"]), files={f"photograph:{view}": file.read_bytes()})
    said = text(answer)
    assert answer.status_code == 200 and "with nothing known" in said and "photograph 1" in said
    pictures = re.findall(r"data:image/png;base64,([\w+/=]+)", answer.text)
    assert [base64.b64decode(picture)[:4] for picture in pictures] == [b"\x89PNG"] * 2
