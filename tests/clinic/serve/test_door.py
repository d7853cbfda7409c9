"""Who may open the page where others reach it, and what the command refuses before it reads a model."""

import io
import sys
import time

import pytest

from prima_jax import cli
from prima_jax.clinic.serve.desk import Desk
from prima_jax.clinic.serve.door import read_door, write_hash
from prima_jax.errors import UserError
from prima_jax.pages.passphrases import SignInRefused
from tests.clinic.serve.conftest import client

PASSPHRASE = "four words at random"


@pytest.fixture
def file(tmp_path):
    write_hash(tmp_path / "password", PASSPHRASE)
    return tmp_path / "password"


def test_the_file_holds_a_hash_for_its_owner_alone(file):
    assert file.stat().st_mode & 0o077 == 0 and file.read_text().startswith("$argon2id$")
    with pytest.raises(UserError, match="12 to 200"):
        write_hash(file.with_name("other"), "short")
    file.write_text(PASSPHRASE)
    with pytest.raises(UserError, match="holds no argon2id hash") as told:
        read_door(file)
    assert PASSPHRASE not in str(told.value)


def test_every_page_needs_a_session(blank, file):
    desk = Desk(blank.model, read_door(file))
    browser = client(desk)
    assert [browser.get(path).headers["location"] for path in ("/", "/docs")] == ["/sign-in"] * 2
    for path in ("/predict", "/explain", "/api/predict"):
        assert browser.post(path, content=b"x" * 1000).status_code == 401
    assert browser.post("/predict", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/sign-in"
    assert browser.post("/sign-in", data={"passphrase": "wrong wrong wrong"}).status_code == 401
    assert browser.post("/sign-in", data={"passphrase": "x" * 10_000}).status_code == 422
    cookie = browser.post("/sign-in", data={"passphrase": PASSPHRASE}).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and browser.get("/").status_code == 200
    token = browser.cookies["prima_case_1"]
    assert browser.post("/sign-out").status_code == 303
    browser.cookies.set("prima_case_1", token)
    assert browser.get("/").status_code == 303, "signing out ends the session on the server"


def test_wrong_passphrases_bring_a_wait_for_who_sends_them(file, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    door = read_door(file)
    for tries in range(6):
        with pytest.raises(SignInRefused, match="Too many" if tries == 5 else "is wrong"):
            door.sign_in("wrong wrong wrong", "10.0.0.9")
    token = door.sign_in(PASSPHRASE, "10.0.0.1")
    assert door.is_open(token)
    monkeypatch.setattr(time, "time", lambda: 1e9 + 13 * 3600)
    assert not door.is_open(token) and not door.is_open(None)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--host=0.0.0.0"], "add --password-file=FILE"),
        (["--host=::"], "add --password-file=FILE"),
        (["--port=99999"], "from 0 (any free one) to 65535"),
        (["--host=198.51.100.7", "--password-file={tmp}/password"], "Cannot serve at 198.51.100.7"),
        (["--password-file={tmp}"], "cannot be read as text"),
        (["--port=0"], "holds no run"),
    ],
)
def test_the_command_refuses_in_a_sentence(flags, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSPHRASE}\n"))
    assert cli.main(["serve", f"--model={tmp_path}/none", *(flag.format(tmp=tmp_path) for flag in flags)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and sentence in said


def test_a_missing_package_is_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "prima_jax.clinic.serve.app", None)
    assert cli.main(["serve", f"--model={tmp_path}"]) == 2
    assert "pip install prima-jax[serve]" in capsys.readouterr().err
