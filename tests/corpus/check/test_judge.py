"""A judge's verdict is a flag of its own, over real HTTP; without a server the step says so in one sentence."""

import pytest
from ml_collections import ConfigDict

from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.check import check
from prima_jax.corpus.check.judge import open_judge
from prima_jax.corpus.folder import CorpusFolder, write_lines
from prima_jax.errors import UserError
from tests.corpus.write.llm_server import Reply, claim, passage
from tests.corpus.write.synthesising import STUDY, configured, store

SENTENCE = "Smoking raises the risk of basal cell carcinoma."
ARTICLE = Article("102", "On smoking", (("", SENTENCE),))


def judge(server, attempts=1):
    return open_judge(f"local:bespoke-minicheck@{server.url}/v1", timeout_seconds=20.0, attempts=attempts)


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (Reply("Yes"), []),
        (Reply("No."), ["judge"]),
        (Reply("<think>Yes? It does not say so.</think>\nNO"), ["judge"]),
        (Reply("Perhaps"), ["judge_silent"]),
        (Reply(""), ["judge_silent"]),
        (Reply(status=500), ["judge_silent"]),
        (Reply(refusal="I cannot"), ["judge_silent"]),
    ],
)
def test_a_verdict_becomes_a_flag(llm_server, answer, codes):
    llm_server.answer = lambda request: answer
    assert [flag.code for flag in judge(llm_server).flags("Smoking causes it.", [ARTICLE])] == codes
    (request,) = llm_server.requests
    assert request.user == f"Document: On smoking\n{SENTENCE}\nClaim: Smoking causes it."
    assert "response_format" not in request.json and request.json["temperature"] == 0.0


def test_the_verdict_joins_the_other_flags_of_a_claim(llm_server, tmp_path):
    llm_server.answer = lambda request: Reply("No" if "Claim: Tobacco" in request.user else "Yes")
    folder = CorpusFolder(tmp_path / "corpus")
    store(folder, {"BCC/smoke": [passage("102", SENTENCE)]})
    said = [claim(text, "102", SENTENCE) for text in (SENTENCE, "Tobacco raises the risk of basal cell carcinoma.")]
    unknown = claim(SENTENCE, "999", SENTENCE)  # there is nothing to read
    row = {"topic": "BCC/smoke", "writer": "openai:gpt-5", "family": "openai", "claims": [*said, unknown]}
    write_lines(folder.drafts, [row])
    with ArticleStore(folder.articles) as articles:
        articles.add([(ARTICLE, b"")])
    spec = f"local:bespoke-minicheck@{llm_server.url}/v1"
    config = ConfigDict({**configured(("openai:gpt-5",)).to_dict(), "check": {"judge": spec}})
    assert "3 claims" in check.run(config, STUDY, folder)
    found = [[flag["code"] for flag in row["flags"]] for row in check.read_claims(folder)]
    assert found == [[], ["unsupported", "judge"], ["unknown_article"]] and len(llm_server.requests) == 2


@pytest.mark.parametrize("spec", ["openai:gpt-5", "extractive", "local:minicheck", "local:@http://a/v1", "minicheck@http://a/v1"])
def test_what_is_no_judge_is_told(spec):
    with pytest.raises(UserError, match=r"config\.check\.judge is '.*'; expected nothing, or local:MODEL@http"):
        open_judge(spec, timeout_seconds=1.0, attempts=1)


def test_a_server_that_is_not_there_is_told(llm_server):
    asked = judge(llm_server)
    llm_server.stop()
    with pytest.raises(
        UserError, match=r"^The judge local:bespoke-minicheck cannot be asked: no server at 127\.0\.0\.1, 1 time in"
    ):
        asked.flags(SENTENCE, [ARTICLE])
