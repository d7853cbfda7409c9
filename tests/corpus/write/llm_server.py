"""A language model on loopback: speaks OpenAI's chat completions and Gemini's generateContent, streamed, and fails when told to.

It is strict where the real ones are: a key, a model, a JSON schema. It notes every byte that it gets.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prima_jax.corpus.claims import Passage

KEY = "sk-test-0123456789abcdef"
PIECE = 37
"""Characters in a piece of a streamed answer."""


@dataclass(frozen=True)
class Request:
    """What came in, to the byte, and what it says, in whichever protocol."""

    path: str
    headers: bytes
    body: bytes
    when: float

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def is_gemini(self) -> bool:
        return ":streamGenerateContent" in self.path

    @property
    def system(self) -> str:
        if self.is_gemini:
            return "".join(part["text"] for part in self.json["systemInstruction"]["parts"])
        return "".join(m["content"] for m in self.json["messages"] if m["role"] == "system")

    @property
    def user(self) -> str:
        if self.is_gemini:
            return "".join(part["text"] for content in self.json["contents"] for part in content["parts"])
        return "".join(m["content"] for m in self.json["messages"] if m["role"] == "user")

    @property
    def topic(self) -> tuple[str, str]:
        """The disease's and the factor's first term."""
        disease = re.search(r"^Disease: (.*?)(?:;|$)", self.user, re.MULTILINE)
        factor = re.search(r"^Risk factor: (.*?)(?:;|$)", self.user, re.MULTILINE)
        return disease[1] if disease else "", factor[1] if factor else ""


@dataclass(frozen=True)
class Reply:
    """What goes out, and what goes wrong with it."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    code: str = ""
    param: str = ""
    refusal: str = ""
    blocked: str = ""
    finish: str = "stop"
    """In OpenAI's words; empty: the stream ends in good order, and the answer is not at its end."""
    cut: bool = False
    """The connection ends within the answer."""
    silent: bool = False
    """Nothing comes."""
    raw: bytes | None = None
    """The stream's bytes, in place of the protocol's."""
    in_stream: str = ""
    """An error told within the stream."""


def claims(*rows: dict[str, Any]) -> str:
    return json.dumps({"claims": list(rows)})


def claim(text: str, article: str, quote: str, **changes: Any) -> dict[str, Any]:
    given = {"text": text, "direction": "raises", "strength": "weak", "citations": [{"article": article, "quote": quote}]}
    return given | changes


def first_sentence(request: Request) -> Reply:
    """An honest answer: the first sentence of the first passage, as a claim."""
    found = re.search(r"^\[1\] id: (.*?) \| .*\ntitle: .*\ntext: (.*?\.)(?:\s|$)", request.user, re.MULTILINE)
    assert found, request.user
    return Reply(claims(claim(found[2], found[1], found[2])))


def passage(article: str, text: str, title: str = "Invented title", **changes: Any) -> Passage:
    return Passage(article, title, 0, len(text), text, ((0, len(text)),), ("",), **changes)


def frame(message: str) -> str:
    """What of a message is not data, with the code of its fence masked."""
    head, fence, rest = re.split(r"^BEGIN ([0-9a-f]{32})$", message, flags=re.MULTILINE)
    _, tail = rest.split(f"\nEND {fence}")
    return f"{head}BEGIN CODE\nEND CODE{tail}"


class LLMServer(ThreadingHTTPServer):
    """`replies` come first, in their order; then `answer` is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.replies: deque[Reply] = deque()
        self.answer: Callable[[Request], Reply] = first_sentence
        self.unknown_options: set[str] = set()
        """Options that the model does not take."""
        self.closing = threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """What sends both SDKs here."""
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.url + "/v1",
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": self.url,
            "NO_PROXY": "127.0.0.1",
        }

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that had enough is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LLMServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.path, bytes(self.headers), body, time.monotonic())
        with self.server.lock:
            self.server.requests.append(request)
            reply = self._refusal(request) or (self.server.replies.popleft() if self.server.replies else None)
        reply = reply or self.server.answer(request)
        if reply.silent:
            self.server.closing.wait(60)
            self.close_connection = True
        elif reply.status != 200:
            self._fail(request, reply)
        else:
            self._stream(request, reply)

    def _refusal(self, request: Request) -> Reply | None:
        """What the real ones refuse."""
        content = request.json
        if request.is_gemini:
            config = content.get("generationConfig", {})
            if self.headers.get("x-goog-api-key") != KEY:
                return Reply(status=400, message="API key not valid. Please pass a valid API key.", code="API_KEY_INVALID")
            if config.get("responseMimeType") != "application/json" or "responseJsonSchema" not in config:
                return Reply(status=400, message="no schema")
            return None if self.path.startswith("/v1beta/models/") else Reply(status=404, message="no such path")
        if self.path != "/v1/chat/completions":
            return Reply(status=404, message="no such path")
        if self.headers.get("Authorization") not in (f"Bearer {KEY}", "Bearer none"):
            sent = str(self.headers.get("Authorization")).removeprefix("Bearer ")
            return Reply(status=401, message=f"Incorrect API key provided: {sent}.", code="invalid_api_key")
        if not content["stream"] or ("response_format" in content and not content["response_format"]["json_schema"]["strict"]):
            return Reply(status=400, message="no strict schema, or no stream")
        for option in sorted(self.server.unknown_options & content.keys()):
            message = f"Unsupported value: '{option}' does not support this with this model."
            return Reply(status=400, message=message, param=option, code="unsupported_value")
        return None

    def _fail(self, request: Request, reply: Reply) -> None:
        error: dict[str, Any] = {"message": reply.message, "code": reply.code or None, "param": reply.param or None}
        if request.is_gemini:
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reply.code}]
            error = {"code": reply.status, "message": reply.message, "status": "FAILED", "details": details}
        body = json.dumps({"error": error}).encode() if reply.raw is None else reply.raw
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, request: Request, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if reply.raw is not None:
            events = [reply.raw]
        else:
            events = [
                b"data: " + event.encode() + b"\n\n" for event in (_gemini if request.is_gemini else _openai)(request, reply)
            ]
        for number, event in enumerate(events):
            if reply.cut and number == len(events) // 2:
                self.wfile.write(b"%x\r\n" % len(event) + event[: len(event) // 2])
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n" % len(event) + event + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


def _cut_up(text: str) -> list[str]:
    step = max(PIECE, len(text) // 50)
    return [text[start : start + step] for start in range(0, len(text), step)]


def _openai(request: Request, reply: Reply) -> Iterator[str]:
    def chunk(choices: list[dict[str, Any]], **more: Any) -> str:
        head = {"id": "c-1", "object": "chat.completion.chunk", "created": 0, "model": request.json["model"] + "-2026-01-01"}
        return json.dumps({**head, "choices": choices, **more})

    def choice(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "finish_reason": finish}

    yield chunk([choice(role="assistant", content="")])
    for piece in _cut_up(reply.text):
        yield chunk([choice(content=piece)])
    for piece in _cut_up(reply.refusal):
        yield chunk([choice(refusal=piece)])
    if reply.in_stream:
        yield json.dumps({"error": {"message": reply.in_stream, "code": None}})
        return
    if reply.finish:
        yield chunk([choice(reply.finish)])
        if "stream_options" in request.json:
            yield chunk([], usage={"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100})
        yield "[DONE]"


def _gemini(request: Request, reply: Reply) -> Iterator[str]:
    model = re.sub(r".*/models/(.*):.*", r"\1", request.path)

    def chunk(candidates: list[dict[str, Any]], **more: Any) -> str:
        return json.dumps({"candidates": candidates, "modelVersion": model + "-001", **more})

    def candidate(text: str, **more: Any) -> dict[str, Any]:
        return {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **more}

    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 60, "thoughtsTokenCount": 40, "totalTokenCount": 1100}
    if reply.blocked:
        yield json.dumps({"promptFeedback": {"blockReason": reply.blocked}, "modelVersion": model})
        return
    yield chunk([{"index": 0, "content": {"role": "model", "parts": [{"text": "I think.", "thought": True}]}}])
    for piece in _cut_up(reply.text):
        yield chunk([candidate(piece)])
    if reply.in_stream:
        yield json.dumps({"error": {"code": 503, "message": reply.in_stream, "status": "UNAVAILABLE"}})
        return
    if reply.finish:
        finish = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}.get(reply.finish, reply.finish.upper())
        yield chunk([candidate("", finishReason=finish)], usageMetadata=usage)
