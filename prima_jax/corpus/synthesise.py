"""Step synthesise: each writer's claims on each topic, a line per writer and topic, as soon as they are there."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from ml_collections import ConfigDict

from prima_jax.corpus.claims import Passage, Written
from prima_jax.corpus.folder import CorpusFolder, append_line, read_lines
from prima_jax.corpus.retrieve import read_passages
from prima_jax.corpus.topics import Topic, study_topics
from prima_jax.corpus.writers.extractive import Extractive
from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Study

__all__ = ["Writer", "read_drafts", "run"]


class Writer(Protocol):
    """One family of writers. It sees a topic and passages, and nothing of any patient."""

    family: str
    model: str

    def write(self, topic: Topic, passages: Sequence[Passage]) -> Written: ...


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Adds the missing lines to `drafts.jsonl`; what is there for the same passages is not written again."""
    folder.needs(folder.passages, "retrieve")
    writers = {name: _writer(name) for name in config.synthesise.writers}
    if not writers:
        raise UserError("synthesise.writers is empty: name one, such as extractive.")
    passages, topics = read_passages(folder), study_topics(study)
    done = {(draft["writer"], draft["topic"], draft["passages_sha256"]) for draft in read_drafts(folder)}
    with progress_bar(len(writers) * len(topics), "synthesise", "topic") as bar:
        for name, writer in writers.items():
            for topic in topics:
                found = passages.get(topic.id, [])
                if (name, topic.id, _hash(found)) not in done:
                    append_line(folder.drafts, _line(name, writer, topic, found))
                bar.update()
    return _summary(config, folder)


def read_drafts(folder: CorpusFolder) -> list[dict[str, Any]]:
    """The newest line of each writer and topic, in the order in which they were first written."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in read_lines(folder.drafts):
        newest[row["writer"], row["topic"]] = row
    return list(newest.values())


def _writer(name: str) -> Writer:
    if name == "extractive":
        return Extractive()
    raise UserError(f"synthesise.writers names {name!r}; only extractive is built so far.")


def _line(name: str, writer: Writer, topic: Topic, passages: Sequence[Passage]) -> dict[str, Any]:
    given = {"writer": name, "family": writer.family, "topic": topic.id, "passages_sha256": _hash(passages)}
    if not passages:
        return {**given, "claims": [], "note": "no evidence retrieved"}
    written = writer.write(topic, passages)
    return {
        **given,
        "model": written.model,
        "passages": sorted({passage.article for passage in passages}),
        "claims": written.draft.model_dump(mode="json")["claims"],
        "input_tokens": written.input_tokens,
        "output_tokens": written.output_tokens,
    }


def _hash(passages: Sequence[Passage]) -> str:
    return hashlib.sha256(json.dumps([asdict(passage) for passage in passages]).encode()).hexdigest()[:16]


def _summary(config: ConfigDict, folder: CorpusFolder) -> str:
    drafts = [draft for draft in read_drafts(folder) if draft["writer"] in config.synthesise.writers]
    claims = Counter(dict.fromkeys(config.synthesise.writers, 0))
    for draft in drafts:
        claims[draft["writer"]] += len(draft["claims"])
    told = ", ".join(f"{count} by {name}" for name, count in claims.items())
    families = {draft["family"] for draft in drafts}
    one = "" if len(families) > 1 else " Only one family wrote; the paper asks for two."
    return f"Claims: {told}: {folder.drafts}.{one}"
