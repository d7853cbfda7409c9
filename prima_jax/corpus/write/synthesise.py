"""Step synthesise: each writer's claims on each topic, a line per writer and topic, as soon as they are there."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml_collections import ConfigDict
from tqdm import tqdm

from prima_jax.corpus.claims import Passage
from prima_jax.corpus.folder import CorpusFolder, append_line, read_lines
from prima_jax.corpus.hashes import json_sha256
from prima_jax.corpus.retrieve.retrieve import read_passages
from prima_jax.corpus.topics import Topic, study_topics
from prima_jax.corpus.write.prompt import build_prompt, prompt_sha256
from prima_jax.corpus.write.writers import Settings, Unanswered, Unavailable, Writer, WriterError, open_writers, writer_name
from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Study

__all__ = ["read_drafts", "run"]

Row = dict[str, Any]
_NO_MODEL = "extractive"
"""The family that is no language model."""
_IN_VAIN = 3
"""So many topics in a row without an answer end a writer's turn: with every attempt, each took long."""


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Adds the missing lines to `drafts.jsonl`. What was written from the same passages, prompt and settings is not asked
    again; what failed is.

    Raises UserError: settings, a missing key, and, once all that can be written is, a writer that could not be reached.
    """
    folder.needs(folder.passages, "retrieve")
    settings, prices = _settings(config), _prices(config)
    writers = open_writers(config.synthesise.writers, settings, study_topics(study))  # all, before the first is paid
    topics, passages = study_topics(study), read_passages(folder)
    rows = _Rows(folder, prices)
    stopped = []
    with progress_bar(len(writers) * len(topics), "Synthesising", "topic") as bar:
        for name, writer in writers.items():
            try:
                _write_all(name, writer, topics, passages, settings, rows, bar)
            except Unavailable as error:
                stopped.append(f"{name} stopped: {error}.")
    told = _summary(writers, topics, folder)
    if stopped:
        raise UserError(f"{' '.join(stopped)} Set this right, then the same command goes on from there. {told}")
    return told


def read_drafts(folder: CorpusFolder) -> list[Row]:
    """The newest line of each writer and topic, in the order in which they were first written; one with `error` has no claims.

    Raises UserError for a line that this step has not written.
    """
    newest: dict[tuple[str, str], Row] = {}
    for row in _read(folder):
        newest[row["writer"], row["topic"]] = row
    return list(newest.values())


def _settings(config: ConfigDict) -> Settings:
    given = {name: value for name, value in config.synthesise.items() if name not in ("writers", "prices")}
    unknown = sorted(given.keys() - Settings.__dataclass_fields__.keys())
    if unknown:
        raise UserError(
            f"config.synthesise has no {unknown[0]}; it has {', '.join(Settings.__dataclass_fields__)}, writers, prices."
        )
    return Settings(**given)


def _prices(config: ConfigDict) -> dict[str, tuple[float, float]]:
    """Writer -> what a million tokens in and out cost, in the operator's currency. Raises UserError."""
    writers, found = {writer_name(spec) for spec in config.synthesise.writers}, {}
    for entry in config.synthesise.prices:
        writer, *prices = entry if isinstance(entry, tuple | list) else (entry,)
        numbers = [float(price) for price in prices if isinstance(price, int | float) and 0 <= price < math.inf]
        if writer not in writers or len(prices) != 2 or len(numbers) != 2:
            raise UserError(
                f"synthesise.prices should hold (writer, price of a million tokens in, and of a million out) for some of "
                f"{', '.join(sorted(writers))}, not {entry!r}: set --config.synthesise.prices=(('openai:gpt-5',1.25,10.0),), say."
            )
        found[writer] = (numbers[0], numbers[1])
    return found


class _Rows:
    """What stands in `drafts.jsonl`, and what is added."""

    def __init__(self, folder: CorpusFolder, prices: Mapping[str, tuple[float, float]]) -> None:
        self._path, self._prices = folder.drafts, prices
        self._newest: dict[tuple[str, str], Row] = {}
        self._written: dict[str, Row] = {}
        for row in _read(folder):
            self._note(row)

    def has(self, name: str, topic: str, request: str) -> bool:
        """Is the newest line the answer to this request? An older one that is becomes the newest: it was paid for."""
        if request not in self._written:
            return False
        if self._newest.get((name, topic)) is not self._written[request]:
            self.add(self._written[request])
        return True

    def add(self, row: Row) -> None:
        if row["writer"] in self._prices and "cost" not in row and "input_tokens" in row:
            used = (row["input_tokens"], row["output_tokens"])
            row = row | {"cost": sum(n * price for n, price in zip(used, self._prices[row["writer"]], strict=True)) / 1e6}
        try:
            append_line(self._path, row)
        except OSError as error:
            raise UserError(
                f"Cannot write {self._path}: {error.strerror}; make room for it, then the same command goes on from here."
            ) from error
        self._note(row)

    def _note(self, row: Row) -> None:
        self._newest[row["writer"], row["topic"]] = row
        if "error" not in row and "request_sha256" in row:
            self._written[row["request_sha256"]] = row


def _write_all(
    name: str,
    writer: Writer,
    topics: Sequence[Topic],
    passages: Mapping[str, Sequence[Passage]],
    settings: Settings,
    rows: _Rows,
    bar: tqdm,
) -> None:
    in_vain = 0
    for topic in topics:
        found = passages.get(topic.id, ())
        request = _request_sha256(name, topic, found, settings)
        if not rows.has(name, topic.id, request):
            try:
                row = _row(name, writer, topic, found)
                in_vain = 0 if found else in_vain
            except Unavailable:
                raise
            except WriterError as error:
                row = _given(name, writer, topic, found) | {"error": str(error)}
                in_vain = in_vain + 1 if isinstance(error, Unanswered) else 0
            rows.add(row | {"request_sha256": request})
            if in_vain == _IN_VAIN:
                raise Unavailable(f"no answer on {_IN_VAIN} topics in a row; {row['error']}")
        bar.update()


def _row(name: str, writer: Writer, topic: Topic, passages: Sequence[Passage]) -> Row:
    """The line of one writer on one topic. Only `claims` and `raw` hold what the writer says. Raises WriterError."""
    given = _given(name, writer, topic, passages)
    if not passages:
        return given | {"claims": [], "note": "no evidence retrieved"}
    written = writer.write(topic, passages)
    return {
        "temperature": None,
        "seed": None,
        **(written.notes or {}),
        **given,
        "model": written.model,
        "claims": written.draft.model_dump(mode="json", exclude_none=True)["claims"],
        "raw": written.raw,
        "input_tokens": written.input_tokens,
        "output_tokens": written.output_tokens,
    }


def _given(name: str, writer: Writer, topic: Topic, passages: Sequence[Passage]) -> Row:
    return {
        "writer": name,
        "family": writer.family,
        "topic": topic.id,
        "passages": sorted({passage.article for passage in passages}),
        "passages_sha256": json_sha256([_content(passage) for passage in passages]),
        "day": datetime.now(UTC).date().isoformat(),
    }


def _request_sha256(name: str, topic: Topic, passages: Sequence[Passage], settings: Settings) -> str:
    """Of all that an answer depends on."""
    asked = {"temperature": settings.temperature, "seed": settings.seed, "max_output_tokens": settings.max_output_tokens}
    content = [_content(passage) for passage in passages]
    return json_sha256([name, topic.id, prompt_sha256(), build_prompt(topic, passages).user, content, asked])


def _content(passage: Passage) -> dict[str, Any]:
    """A passage without its score, which is the retrieval's affair."""
    return {key: value for key, value in asdict(passage).items() if key != "score"}


def _read(folder: CorpusFolder) -> list[Row]:
    rows = list(read_lines(folder.drafts))
    for number, row in enumerate(rows, start=1):
        texts = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("writer", "topic", "family"))
        if not texts or not (isinstance(row.get("error"), str) or isinstance(row.get("claims"), list)):
            raise UserError(f"{folder.drafts}, line {number}: no draft of this step; remove the line and run synthesise again.")
    return rows


def _summary(writers: Mapping[str, Writer], topics: Sequence[Topic], folder: CorpusFolder) -> str:
    named = {topic.id for topic in topics}
    drafts = [draft for draft in read_drafts(folder) if draft["topic"] in named]
    told = "; ".join(_told(name, [draft for draft in drafts if draft["writer"] == name]) for name in writers)
    families = sorted({writer.family for writer in writers.values()} - {_NO_MODEL})
    few = (
        ""
        if len(families) > 1
        else f" The paper asks for two families of language models; here: {', '.join(families) or 'none'}."
    )
    return f"{folder.drafts}, {len(topics)} topics. {told}.{few}"


def _told(name: str, drafts: Sequence[Row]) -> str:
    written = [draft for draft in drafts if "error" not in draft]
    silent = sum(not draft["passages"] for draft in written if "passages" in draft)
    failed = Counter(draft["error"].split(" (")[0] for draft in drafts if "error" in draft)
    parts = [f"{name}: {sum(len(draft['claims']) for draft in written)} claims on {len(written)} topics"]
    if silent:
        parts.append(f"no evidence on {silent} of them")
    if failed:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in failed.most_common())
        parts.append(f"{sum(failed.values())} failed ({reasons}); the same command asks these again")
    tokens = [sum(draft.get(key, 0) for draft in written) for key in ("input_tokens", "output_tokens")]
    if any(tokens):
        parts.append(f"{tokens[0]} tokens in, {tokens[1]} out")
    costs = [draft["cost"] for draft in written if "cost" in draft]
    if costs:
        parts.append(f"cost {sum(costs):.2f}")
    return ", ".join(parts)
