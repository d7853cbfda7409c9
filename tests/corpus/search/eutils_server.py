"""E-utilities on loopback: replays recorded replies, answers over a set of records, and fails when it is told to.

The replies have the form of the recorded ones (https://www.ncbi.nlm.nih.gov/books/NBK25499/). `redirect` sends Bio.Entrez,
whose address is fixed, here.
"""

import contextlib
import io
import json
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from prima_jax.corpus.search.pubmed_xml import read_articles
from tests.corpus.shared import SHARED

FIXTURES = SHARED / "eutils_fixtures"
HEAD = (
    b'<?xml version="1.0" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    b'"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n<PubmedArticleSet>\n'
)
TAIL = b"\n</PubmedArticleSet>"
HTML = b"<!DOCTYPE html>\n<html><head><title>NCBI</title></head><body><h1>Error</h1><br>Try again.</body></html>"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request: a status, headers, a body in place of the right one, or how that is spoiled."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    kind: str = "text/xml"
    how: str = ""
    """cut: the connection ends within the body; truncated: the body ends early, properly; stall: nothing comes;
    forget: the lists of ids are forgotten first; short: the last record is left out."""


def busy(seconds: str = "7") -> Fault:
    body = json.dumps({"error": "API rate limit exceeded", "count": "4", "limit": "3"}).encode()
    return Fault(429, (("Retry-After", seconds),), body, "application/json")


def bad_key(key: str) -> Fault:
    body = json.dumps({"error": "API key invalid", "api-key": key, "type": "api key"}).encode()
    return Fault(400, (), body, "application/json")


BROKEN = Fault(500, (), HTML, "text/html")
WEB_PAGE = Fault(body=HTML, kind="text/html")
PLAIN = Fault(body=b"Error: too busy", kind="text/plain")
ERROR = Fault(body=b"<?xml version='1.0'?><eFetchResult><ERROR>Search Backend failed: busy</ERROR></eFetchResult>")
CUT, TRUNCATED, STALL, FORGET, SHORT = (Fault(how=how) for how in ("cut", "truncated", "stall", "forget", "short"))


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    utility: str
    method: str
    parameters: dict[str, str]


class EutilsServer:
    """Use as a context. `hits` gives the PMIDs of a term, in their order; by default all."""

    def __init__(self, records: Sequence[bytes], hits: Callable[[str], list[str]] | None = None) -> None:
        parsed = [next(read_articles(io.BytesIO(HEAD + record + TAIL))) for record in records]
        self.records = {article.id: raw for article, raw in parsed}
        self.years = {article.id: article.year or 0 for article, _ in parsed}
        self.hits = hits or (lambda term: list(self.records))
        self.replies: dict[str, bytes] = {}
        self.most_ids = 9_999
        self.expired_status = 400
        self.asked: list[Asked] = []
        self.delivered: Counter[str] = Counter()
        self.faults: list[tuple[str, Fault]] = []
        self.on_request: Callable[[int], None] = lambda number: None
        self._histories: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def fail(self, *faults: Fault, of: str = "") -> None:
        """The next requests, of one utility or of any, go wrong so, in this order."""
        self.faults.extend((of, fault) for fault in faults)

    def count(self, utility: str = "") -> int:
        return sum(1 for asked in self.asked if asked.utility == utility or not utility)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "EutilsServer":
        handler = type("Handler", (_Handler,), {"eutils": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> tuple[Fault, bytes]:
        """What goes wrong, and the right reply."""
        with self._lock:
            self.asked.append(asked)
            number = len(self.asked)
            due = next((one for one in self.faults if one[0] in ("", asked.utility)), None)
            if due:
                self.faults.remove(due)
            fault = due[1] if due else Fault()
            if fault.how == "forget":
                self._histories.clear()
            make = {"esearch": self._esearch, "epost": self._epost, "efetch": self._efetch}[asked.utility]
            status, body = make(asked.parameters, fault)
        self.on_request(number)
        return (fault if fault.status != 200 else Fault(status, fault.headers, fault.body, fault.kind, fault.how)), body

    def _esearch(self, sent: dict[str, str], _: Fault) -> tuple[int, bytes]:
        if (recorded := self.replies.get(sent["term"])) is not None:
            return 200, recorded
        first, last = (int(sent.get(key, default)[:4]) for key, default in (("mindate", "0"), ("maxdate", "9999")))
        ids = [i for i in self.hits(sent["term"]) if first <= self.years[i] <= last]
        start, most = int(sent.get("retstart", 0)), int(sent.get("retmax", 20))
        listed = ids[start : min(start + most, self.most_ids)]
        history = self._keep(ids) if sent.get("usehistory") == "y" else ""
        return 200, (
            '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN" '
            '"https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">\n'
            f"<eSearchResult><Count>{len(ids)}</Count><RetMax>{len(listed)}</RetMax><RetStart>{start}</RetStart>{history}<IdList>"
            + "".join(f"\n<Id>{i}</Id>" for i in listed)
            + f"\n</IdList><TranslationSet/><QueryTranslation>as run: {escape(sent['term'])}</QueryTranslation></eSearchResult>"
        ).encode()

    def _epost(self, sent: dict[str, str], _: Fault) -> tuple[int, bytes]:
        return 200, f"<?xml version='1.0'?>\n<ePostResult>\n\t{self._keep(sent['id'].split(','))}\n</ePostResult>".encode()

    def _efetch(self, sent: dict[str, str], fault: Fault) -> tuple[int, bytes]:
        if sent["WebEnv"] not in self._histories:
            return self.expired_status, b"<eFetchResult>\n\t<ERROR>Unable to obtain query #1</ERROR>\n</eFetchResult>"
        start, most = int(sent.get("retstart", 0)), int(sent.get("retmax", 20))
        ids = [i for i in self._histories[sent["WebEnv"]] if i in self.records][start : start + most]
        ids = ids[:-1] if fault.how == "short" else ids
        if fault.body is None and fault.status == 200 and fault.how in ("", "short"):
            self.delivered.update(ids)
        return 200, HEAD + b"\n".join(self.records[i] for i in ids) + TAIL

    def _keep(self, ids: list[str]) -> str:
        web_env = f"MCID_{len(self._histories):024x}_{len(self.asked)}"
        self._histories[web_env] = ids
        return f"<QueryKey>1</QueryKey><WebEnv>{web_env}</WebEnv>"


class _Handler(BaseHTTPRequestHandler):
    eutils: EutilsServer

    def do_GET(self) -> None:
        self._serve(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self, query: str) -> None:
        utility = urlsplit(self.path).path.rpartition("/")[2].removesuffix(".fcgi")
        parameters = {key: values[0] for key, values in parse_qs(query, strict_parsing=True).items()}
        fault, body = self.eutils.answer(Asked(utility, self.command, parameters))
        if fault.how == "stall":
            self.eutils._closing.wait()
            return
        body = body if fault.body is None else fault.body
        body = body[: len(body) // 2] if fault.how == "truncated" else body
        self.send_response(fault.status)
        self.send_header("Content-Type", f"{fault.kind}; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fault.headers:
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked was killed
            self.wfile.write(body[: len(body) // 2] if fault.how == "cut" else body)


def redirect(url: str) -> Callable[..., Any]:
    """A urlopen that asks the server at `url` in place of NCBI, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def urlopen(request: urllib.request.Request) -> Any:
        address = urlsplit(request.full_url)
        assert address.scheme == "https" and address.netloc == "eutils.ncbi.nlm.nih.gov", request.full_url
        path = f"{address.path}?{address.query}" if address.query else address.path
        return opener.open(urllib.request.Request(url + path, data=request.data, method=request.get_method()))

    return urlopen


def invented(
    pmid: int | str, *, title: str = "Invented: skin and sun", year: int = 2020, types: str = "Systematic Review", **more: str
) -> bytes:
    """A record of an article that does not exist, for tests alone; `abstract`, `mesh` and `links` are inner XML."""
    abstract = more.get("abstract", "<AbstractText>Invented: basal cell carcinoma is invented.</AbstractText>")
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}</PMID><Article PubModel="Print">'
        f'<Journal><JournalIssue CitedMedium="Print"><PubDate><Year>{year}</Year></PubDate></JournalIssue>'
        f"<Title>Journal of Invented Tests</Title></Journal><ArticleTitle>{title}</ArticleTitle>"
        f"<Abstract>{abstract}</Abstract><Language>eng</Language>"
        f'<PublicationTypeList><PublicationType UI="D000078182">{types}</PublicationType></PublicationTypeList></Article>'
        f"{more.get('links', '')}{more.get('mesh', '')}</MedlineCitation><PubmedData><ArticleIdList>"
        f'<ArticleId IdType="pubmed">{pmid}</ArticleId></ArticleIdList></PubmedData></PubmedArticle>'
    ).encode()
