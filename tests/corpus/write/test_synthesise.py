"""The step synthesise against a server over real HTTP: each topic asked once, nothing lost, nothing of a patient sent."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.write import synthesise
from prima_jax.corpus.write.synthesise import read_drafts
from prima_jax.errors import UserError
from tests.corpus.write.llm_server import KEY, Reply, first_sentence, passage
from tests.corpus.write.synthesising import ASKED, SILENT, TOPICS, WRITERS, asked, evidence, run, store, topic_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(llm_server):
    return llm_server


@pytest.fixture
def folder(tmp_path):
    found = CorpusFolder(tmp_path / "corpus")
    store(found, evidence())
    return found


def test_what_tokens_cost_is_recorded_where_prices_are_given(server, folder):
    told = run(folder, prices=((WRITERS[0], 2.0, 10.0),))
    first, second = ([d for d in read_drafts(folder) if d["writer"] == writer] for writer in WRITERS)
    costs = [d["cost"] for d in first if "cost" in d]
    assert costs == [pytest.approx((1000 * 2 + 100 * 10) / 1e6)] * len(ASKED)  # 1,000 tokens in and 100 out for each topic
    assert not any("cost" in d for d in second)
    assert f"500 out, cost {sum(costs):.2f}" in told and told.count(", cost ") == 1


@pytest.mark.parametrize("prices", [(("openai:other", 1.0, 2.0),), ((WRITERS[0], 1.0),), ((WRITERS[0], -1.0, 2.0),), (3,)])
def test_a_wrong_price_is_one_sentence(server, folder, prices):
    with pytest.raises(UserError, match=r"synthesise\.prices should hold") as caught:
        run(folder, prices=prices)
    assert "\n" not in str(caught.value) and not server.requests


def test_two_families_on_each_topic(server, folder):
    told = run(folder)
    drafts = read_drafts(folder)
    assert [(d["writer"], d["topic"]) for d in drafts] == [(w, t) for w in WRITERS for t in TOPICS]
    assert asked(server) == [(w.split(":")[0], t) for w in WRITERS for t in ASKED]
    for draft in drafts:
        found = evidence().get(draft["topic"], [])
        assert draft["passages"] == sorted(p.article for p in found) and len(draft["passages_sha256"]) == 64
        assert [c["citations"][0]["article"] for c in draft["claims"]] == [p.article for p in found[:1]]
        assert draft["family"] == draft["writer"].split(":")[0] and re.fullmatch(r"\d{4}-\d\d-\d\d", draft["day"])
        if found:
            known = {"model", "prompt_sha256", "schema_sha256", "temperature", "seed", "input_tokens", "raw", "sdk"}
            assert known <= draft.keys()
            assert json.loads(draft["raw"])["claims"] == draft["claims"]
        else:
            assert draft["note"] == "no evidence retrieved"
    for writer in WRITERS:
        assert f"{writer}: 5 claims on 6 topics, no evidence on 1 of them, 5000 tokens in, 500 out" in told
    assert "paper asks" not in told and " failed (" not in told


def test_a_second_run_asks_nothing_and_changes_no_byte(server, folder):
    first = run(folder)
    before, requests = folder.drafts.read_bytes(), len(server.requests)
    assert run(folder) == run(folder, prices=((WRITERS[0], 2.0, 10.0),)) == first  # what was written is not paid for again
    assert folder.drafts.read_bytes() == before and len(server.requests) == requests


def test_what_changed_is_asked_again_and_nothing_else(server, folder):
    run(folder)
    requests = len(server.requests)
    found = evidence()
    found["BCC/smoke"] = [replace(p, score=9.0) for p in found["BCC/smoke"]]  # ranked otherwise, in the same order
    store(folder, found)
    run(folder)
    assert len(server.requests) == requests
    found["BCC/age"] = [passage("199", "Older people have more basal cell carcinoma.")]
    found[SILENT] = [passage("198", "Melanoma is seen at any age.")]
    store(folder, found)
    run(folder)
    assert asked(server, requests) == [(w.split(":")[0], t) for w in WRITERS for t in ("BCC/age", SILENT)]
    newest = {d["topic"]: d["passages"] for d in read_drafts(folder)}
    assert (newest["BCC/age"], newest[SILENT], len(read_drafts(folder))) == (["199"], ["198"], 12)


def test_settings_that_return_bring_their_drafts_back_for_nothing(server, folder):
    run(folder, seed=1)
    first = read_drafts(folder)
    run(folder, seed=2)
    assert len(server.requests) == 4 * len(ASKED) and {d.get("seed") for d in read_drafts(folder)} == {2, None}
    run(folder, seed=1, timeout_seconds=30.0, attempts=1)  # neither matters to an answer
    assert len(server.requests) == 4 * len(ASKED) and read_drafts(folder) == first


def test_what_failed_is_told_by_reason_and_asked_again(server, folder):
    def answer(request):
        if not request.is_gemini and topic_of(request).startswith("MEL"):
            return Reply(refusal=f"No, not on {request.topic[0]}.")
        return first_sentence(request)

    server.answer = answer
    told = run(folder)
    assert "openai:gpt-5: 3 claims on 4 topics, no evidence on 1 of them, 2 failed (the model refused: 2)" in told
    errors = {d["topic"]: d["error"] for d in read_drafts(folder) if "error" in d}
    assert errors == dict.fromkeys(("MEL/summary", "MEL/smoke"), "the model refused (No, not on melanoma.)")
    server.answer, requests = first_sentence, len(server.requests)
    assert " failed (" not in run(folder)
    assert asked(server, requests) == [("openai", "MEL/summary"), ("openai", "MEL/smoke")]
    assert not any("error" in d for d in read_drafts(folder))


def test_a_wrong_key_stops_its_writer_at_the_first_topic_and_no_other(server, folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-key-987654")
    with pytest.raises(UserError, match=r"openai:gpt-5 stopped: the key in OPENAI_API_KEY was not accepted \(HTTP 401") as told:
        run(folder)
    assert Counter(family for family, _ in asked(server)) == {"openai": 1, "google": 5}
    assert "google:gemini-3-pro: 5 claims on 6 topics" in str(told.value)
    assert "987654" not in str(told.value) and b"987654" not in folder.drafts.read_bytes()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    run(folder)
    assert Counter(family for family, _ in asked(server)) == {"openai": 6, "google": 5}


def test_a_server_that_fails_on_three_topics_in_a_row_is_left_for_later(server, folder):
    found = evidence()
    del found["BCC/age"]  # in between, and not asked
    store(folder, found)
    failing = ("BCC/smoke", "MEL/summary", "MEL/smoke")
    server.answer = lambda request: Reply(status=500) if topic_of(request) in failing else first_sentence(request)
    with pytest.raises(UserError, match=r"stopped: no answer on 3 topics in a row; the server failed \(HTTP 500\), 2 times"):
        run(folder, "openai:gpt-5")
    assert [topic for _, topic in asked(server)] == ["BCC/summary", *(t for t in failing for _ in range(2))]
    assert [d["topic"] for d in read_drafts(folder) if "error" in d] == list(failing)
    server.answer = lambda request: Reply(status=500) if topic_of(request) == "MEL/summary" else first_sentence(request)
    assert "1 failed (the server failed: 1)" in run(folder, "openai:gpt-5")


def test_all_keys_are_there_before_the_first_question(server, folder, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(UserError, match="set the environment variable GOOGLE_API_KEY or GEMINI_API_KEY"):
        run(folder)
    assert not server.requests and not folder.drafts.exists()


def test_fewer_than_two_families_is_said(server, folder):
    assert "The paper asks for two families of language models; here: openai." in run(folder, "openai:gpt-5", "openai:gpt-5-mini")
    assert "here: none." in run(folder, "extractive")
    assert "here: google." in run(folder, "extractive", "google:gemini-3-pro", f"local:gemma-3-4b@{server.url}/v1")
    assert "paper asks" not in run(folder, "openai:gpt-5", f"local:qwen3:8b@{server.url}/v1")
    assert f"{server.url}" not in folder.drafts.read_text()  # where a local server stands is nobody's concern


@pytest.mark.parametrize("forged", ['{"claims": [], "writer": "google:x"}', '{"claims": [], "topic": "BCC/age"}'])
def test_an_answer_cannot_pose_as_another_writer_or_topic(server, folder, forged):
    server.answer = lambda _: Reply(forged)
    run(folder, "openai:gpt-5")
    drafts = read_drafts(folder)
    assert [(d["writer"], d["topic"]) for d in drafts] == [("openai:gpt-5", t) for t in TOPICS]
    assert [d["error"].split(" (")[0] for d in drafts if "error" in d] == [
        "the answer was not valid, also when asked once more"
    ] * 5


def test_no_key_on_disk_whatever_the_server_says(server, folder):
    server.answer = lambda request: Reply(status=418, message=f"your key is {KEY}")
    told = run(folder)
    assert "12 topics" not in told and "5 failed (the server refused the request: 5)" in told
    for path in folder.path.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_a_line_cut_short_at_any_byte_costs_its_own_topic_alone(server, folder):
    run(folder, "openai:gpt-5")
    whole, newest = folder.drafts.read_bytes(), read_drafts(folder)
    last = whole.rindex(b"\n", 0, -1) + 1
    assert newest[-1]["topic"] == SILENT
    *_, start = (m.start() for m in re.finditer(rb"^", whole[: last - 1], re.MULTILINE))  # of the last that was asked
    first = whole.index(b"\n") + 1  # the first has characters of several bytes
    inside = [i for i in range(first) if whole[i] > 0x7F]
    for cut in [*inside, 1, first - 1, start, start + 1, last - 2]:
        folder.drafts.write_bytes(whole[:cut])
        kept, requests = whole[:cut].count(b"\n"), len(server.requests)
        run(folder, "openai:gpt-5")
        assert asked(server, requests) == [("openai", t) for t in TOPICS[kept:] if t in ASKED]
        assert [d["topic"] for d in read_drafts(folder)] == TOPICS and folder.drafts.read_bytes().startswith(whole[:first])


@pytest.mark.parametrize(
    "line", ["[]", '"x"', "{}", '{"writer": "a", "topic": "b", "family": "c"}', '{"writer": 1, "topic": "b", "error": "c"}', "{"]
)
def test_a_file_that_somebody_has_changed_is_told_by_line(server, folder, line):
    run(folder, "extractive")
    folder.drafts.write_text(folder.drafts.read_text() + line + "\n")
    for act in (lambda: run(folder, "extractive"), lambda: read_drafts(folder)):
        with pytest.raises(UserError, match=rf"drafts\.jsonl, line {len(TOPICS) + 1}[:,] "):
            act()


def test_a_full_disk_is_told_and_what_was_there_stays(server, folder, monkeypatch):
    run(folder, "extractive")
    before = folder.drafts.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthesise, "append_line", full)
    with pytest.raises(UserError, match="No space left on device; make room for it"):
        run(folder, "openai:gpt-5")
    assert folder.drafts.read_bytes() == before and len(server.requests) == 1


def test_settings_nobody_knows_are_told(server, folder):
    with pytest.raises(UserError, match=r"config\.synthesise has no temprature"):
        run(folder, "extractive", temprature=0.5)


def test_no_byte_of_a_patient_reaches_a_server(server, tmp_path):
    """Through the command line, with a study's folder in the config; no file of it is so much as opened."""
    folder, patients = CorpusFolder(tmp_path / "corpus"), tmp_path / "PATIENTS"
    patients.mkdir()
    columns = "patient_id,lesion_id,img_id,diagnostic,age,smoke,region,background_father"
    (patients / "metadata.csv").write_text(f"{columns}\nMARKED-1,MARKED-2,MARKED-3.png,BCC,88.8881,True,MARKED-4,MARKED-5\n")
    (patients / "MARKED-3.png").write_bytes(b"MARKED-6")
    store(folder, {"BCC/smoke": evidence()["BCC/smoke"], "MEL/summary": evidence()["MEL/summary"]})
    opened = tmp_path / "opened"
    program = (
        "import os, sys\n"
        f"log = os.open({str(opened)!r}, os.O_WRONLY | os.O_CREAT)\n"
        "sys.addaudithook(lambda event, args: event in ('open', 'os.listdir', 'os.scandir') and "
        "os.write(log, repr(args[0]).encode() + b'\\n'))\n"
        "from prima_jax.corpus.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "--config=configs/corpus.py:pad_ufes_20", f"--folder={folder.path}", "synthesise"]
    command += [f"--config.synthesise.writers={WRITERS}", f"--config.data.dir={patients}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"MARK": "MARKED-7"}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 4 and "2 claims on 108 topics" in done.stdout
    assert str(folder.passages) in opened.read_text() and "PATIENTS" not in opened.read_text()
    for sent in [*(r.path.encode() + r.headers + r.body for r in server.requests), folder.drafts.read_bytes()]:
        assert not re.search(rb"MARKED|PATIENTS|88\.8881|pad_ufes", sent)
    assert done.stderr == ""
