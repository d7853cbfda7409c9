"""NCBI's E-utilities through Biopython's Bio.Entrez: search PubMed, fetch records; what fails for a while is tried again.

https://www.ncbi.nlm.nih.gov/books/NBK25499/. Replies are read here, since Entrez.read looks for DTDs on the network.
"""

import io
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote_plus
from xml.etree.ElementTree import Element

from Bio import Entrez
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from prima_jax.corpus.articles import Article
from prima_jax.corpus.retry_after import retry_after
from prima_jax.corpus.search.pubmed_xml import MalformedXml, clean, parse_xml, read_articles, root_name
from prima_jax.errors import UserError

__all__ = ["KEY_VARIABLE", "Found", "History", "PubMed"]

TOOL = "prima-jax"
KEY_VARIABLE = "NCBI_API_KEY"
PAGE = 200
"""Records in a reply."""
MOST_IDS = 9_999
"""PubMed lists no more of what one search found, wherever one begins."""
TRIES = 5
LONGEST_WAIT = 300.0
"""Seconds; whoever asks for a longer one (Retry-After) asks for another day."""
TOLD_WAIT = 10.0
LONGEST_REPLY = 600.0
"""Seconds from a reply's first byte to its last."""
GO_ON = "what was fetched is kept, and the same command goes on from there"

T = TypeVar("T")
_BACK_OFF = wait_exponential_jitter(initial=1, max=60)


@dataclass(frozen=True)
class History:
    """Where NCBI keeps a list of ids for some hours."""

    web_env: str
    query_key: str


@dataclass(frozen=True)
class Found:
    """What a search found."""

    ids: tuple[str, ...]
    """No more than were asked for, in the order asked for."""
    count: int
    """All that there are."""
    translation: str
    """What PubMed made of the term, and did search for."""
    warnings: tuple[str, ...] = ()
    """What PubMed has to say about it, such as words it does not know."""
    history: History | None = None
    """All that was found, where one search gave the whole of `ids`."""


class PubMed:
    """A client for one operator. The key, which is optional, is sent to NCBI and shown to nobody.

    Bio.Entrez waits between requests: 0.37 s, and 0.1 s with a key.
    """

    def __init__(
        self, email: str, *, api_key: str = "", timeout: float = 60.0, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._sent = {"db": "pubmed", "tool": TOOL, "email": email, "api_key": api_key or None}
        self._key = api_key
        self._timeout = timeout
        self._sleep = sleep
        Entrez.max_tries = 1  # it would repeat what we repeat, sleep 15 s each time, and not heed Retry-After

    def search(self, term: str, first: date, last: date, *, most: int, sort: str = "pub_date") -> Found:
        """What was published from `first` to `last`; PubMed's order is kept within `MOST_IDS`.

        More than those are found piece by piece, in ever shorter spans of time, the newest first. Raises UserError.
        """
        found = self._search(term, first, last, min(most, MOST_IDS), sort)
        if found.count <= MOST_IDS or most <= MOST_IDS:
            return found
        ids, warnings = self._piecewise(term, first, last, most, sort, found)
        return Found(tuple(dict.fromkeys(ids))[:most], found.count, found.translation, (*found.warnings, *warnings))

    def fetch(self, ids: Sequence[str], history: History | None = None) -> Iterator[list[tuple[Article, bytes]]]:
        """The articles of these ids, page by page, each once; `history` is a list at NCBI that holds them, if there is one.

        An id of which NCBI gives nothing is left out. Raises UserError.
        """
        if len(ids) > MOST_IDS:
            for start in range(0, len(ids), MOST_IDS):
                yield from self.fetch(ids[start : start + MOST_IDS])
            return
        left, lost = list(ids), 0
        while left:
            wanted = set(left)
            posted = history is None
            try:
                history = history or self._post(left)
                for start in range(0, len(left), PAGE):
                    page = {a.id: (a, raw) for a, raw in self._page(history, start) if a.id in wanted}
                    wanted -= page.keys()
                    yield list(page.values())
            except _Expired:
                lost += 1
                if lost == TRIES:
                    raise UserError(f"NCBI lost its list of what to fetch {TRIES} times; {GO_ON}.") from None
            else:
                if posted and len(wanted) == len(left):
                    return  # nothing came: there is no more
            left, history = [i for i in left if i in wanted], None  # a new list, of what did not come

    def _search(self, term: str, first: date, last: date, most: int, sort: str) -> Found:
        dates = {"datetype": "pdat", "mindate": f"{first:%Y/%m/%d}", "maxdate": f"{last:%Y/%m/%d}"}
        found = self._ask(Entrez.esearch, _found, term=term, retmax=most, sort=sort, usehistory="y", retmode="xml", **dates)
        told = tuple(map(self._without_key, found.warnings))
        return Found(found.ids[:most], found.count, self._without_key(found.translation), told, found.history)

    def _piecewise(
        self, term: str, first: date, last: date, most: int, sort: str, found: Found
    ) -> tuple[list[str], tuple[str, ...]]:
        if found.count <= len(found.ids):
            return list(found.ids), ()
        if first == last:
            return list(found.ids), (f"of {found.count} articles of {first}, only {len(found.ids)} can be listed",)
        middle = first + (last - first) // 2
        ids: list[str] = []
        warnings: tuple[str, ...] = ()
        for begin, end in ((middle + timedelta(days=1), last), (first, middle)):
            if len(ids) < most:
                part = self._search(term, begin, end, MOST_IDS, sort)
                more, told = self._piecewise(term, begin, end, most - len(ids), sort, part)
                ids, warnings = [*ids, *more], (*warnings, *told)
        return ids, warnings

    def _post(self, ids: Sequence[str]) -> History:
        return self._ask(Entrez.epost, _history, id=",".join(ids))

    def _page(self, history: History, start: int) -> list[tuple[Article, bytes]]:
        place = {"WebEnv": history.web_env, "query_key": history.query_key, "retstart": start, "retmax": PAGE}
        return self._ask(Entrez.efetch, _articles, retmode="xml", **place)

    def _ask(self, utility: Callable[..., Any], read: Callable[[bytes], T], **parameters: Any) -> T:
        """One reply, as `read` makes it. Raises _Expired, or UserError when it fails for good."""
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            retry=retry_if_exception_type(_ForNow),
            sleep=self._sleep,
            before_sleep=_tell,
            reraise=True,
        )
        try:
            return retrying(self._once, utility, read, parameters)
        except _ForNow as error:
            reason = self._without_key(str(error))[:300]
        raise UserError(  # outside the handler: what it came from holds the address with the key
            f"PubMed ({utility.__name__}) did not answer as it should {TRIES} times, the last time with: {reason}; {GO_ON}, or "
            "set --config.search.source to a folder of records."
        )

    def _once(self, utility: Callable[..., Any], read: Callable[[bytes], T], parameters: dict[str, Any]) -> T:
        try:
            with _timeout(self._timeout), utility(**self._sent, **parameters) as reply:
                content = _content(reply)
        except HTTPError as error:
            failure = self._failure(error, parameters)
        except (OSError, HTTPException) as error:  # no connection, or one that ended early or stood still
            failure = _ForNow(f"{type(error).__name__}: {getattr(error, 'reason', None) or error}")
        else:
            try:
                return read(content)
            except MalformedXml as error:
                failure = _Expired() if _is_expiry(str(error), parameters) else _ForNow(f"a reply that cannot be used ({error})")
        raise failure

    def _failure(self, error: HTTPError, parameters: Mapping[str, Any]) -> Exception:
        """What the status means, and what is said with it."""
        try:
            with _timeout(self._timeout), error:
                said = error.read(4096).decode(errors="replace")
        except (OSError, HTTPException):
            said = ""
        said = self._without_key(clean(re.sub(r"<[^>]*>", " ", said)))[:300]
        if error.code == 429 or error.code == 408 or error.code >= 500:
            return _for_now(f"HTTP {error.code}", retry_after(error.headers.get("Retry-After")) or 0.0)
        if _is_expiry(said, parameters):
            return _Expired()
        if "api key" in said.lower():
            return UserError(f"NCBI refuses the API key in {KEY_VARIABLE}: set a valid one, or unset it; {GO_ON}.")
        return UserError(f"NCBI refuses the request with HTTP {error.code} ({said or 'no reason given'}); {GO_ON}.")

    def _without_key(self, text: str) -> str:
        """NCBI repeats a key that it refuses."""
        for key in {self._key, quote_plus(self._key)} - {""}:
            text = text.replace(key, "***")
        return text


class _ForNow(Exception):
    """What another try may mend, after at least so many seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _Expired(Exception):
    """NCBI has forgotten a list of ids."""


def _for_now(reason: str, wait: float) -> Exception:
    if wait <= LONGEST_WAIT:
        return _ForNow(reason, wait)
    return UserError(f"NCBI asks to wait for {wait / 60:.0f} minutes ({reason}): try again then; {GO_ON}.")


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return max(_BACK_OFF(state), error.wait if isinstance(error, _ForNow) else 0.0)


def _tell(state: RetryCallState) -> None:
    """Whoever watches should know why nothing moves."""
    wait = state.next_action.sleep if state.next_action else 0.0
    if wait > TOLD_WAIT:
        print(f"PubMed does not answer as it should; the next try is in {wait:.0f} s.", file=sys.stderr)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Bio.Entrez opens its connections without a time limit; this is the one that new ones get."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _content(reply: Any) -> bytes:
    """All of it; the time limit on a connection alone would never end one that drips."""
    stream = getattr(reply, "buffer", reply)  # Bio.Entrez wraps plain text
    deadline = time.monotonic() + LONGEST_REPLY
    blocks = []
    while block := stream.read1(1 << 16):
        blocks.append(block)
        if time.monotonic() > deadline:
            raise TimeoutError(f"a reply took over {LONGEST_REPLY:.0f} s")
    return b"".join(blocks)


def _document(content: bytes, root: str) -> Element:
    """The reply's tree, if it has this root and reports no error; raises MalformedXml."""
    tree = parse_xml(content)
    error = next((text for e in tree.iter("ERROR") if (text := clean(e))), "")
    if error or tree.tag != root:
        raise MalformedXml(error or f"its root is {tree.tag}, not {root}")
    return tree


def _is_expiry(text: str, parameters: Mapping[str, Any]) -> bool:
    return "WebEnv" in parameters and re.search(r"web\s?env|query[ _]?(key|#\s?\d)|history", text, re.IGNORECASE) is not None


def _found(content: bytes) -> Found:
    tree = _document(content, "eSearchResult")
    count, ids = clean(tree.find("Count")), tuple(map(clean, tree.iterfind("IdList/Id")))
    if not count.isdecimal() or not all(i.isascii() and i.isdecimal() for i in ids):
        raise MalformedXml("a search reply without a count, or with an id that is no number")
    if int(count) and not ids:
        raise MalformedXml(f"a search reply that counts {count} articles and lists none")
    lists = (tree.find("ErrorList"), tree.find("WarningList"))
    told = tuple(f"{e.tag}: {text}" for part in lists if part is not None for e in part if (text := clean(e)))
    history = _history_of(tree)
    return Found(ids, int(count), clean(tree.find("QueryTranslation")), told, history)


def _history(content: bytes) -> History:
    history = _history_of(_document(content, "ePostResult"))
    if history is None:
        raise MalformedXml("a reply that names no list of the ids sent")
    return history


def _history_of(tree: Element) -> History | None:
    web_env, query_key = clean(tree.find("WebEnv")), clean(tree.find("QueryKey"))
    return History(web_env, query_key) if web_env and query_key else None


def _articles(content: bytes) -> list[tuple[Article, bytes]]:
    if root_name(io.BytesIO(content)) == "eFetchResult":
        _document(content, "PubmedArticleSet")  # says what went wrong
    return list(read_articles(io.BytesIO(content)))
