"""Weights are fetched as from the hub: a server on this machine that speaks the hub's protocol over HTTP.

Its answers have the fields and headers that huggingface_hub 2.4.0 reads; the hub itself was not asked.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from prima_jax.download_weights import CHECKPOINTS, RECIPE

ROOT = Path(__file__).parents[1]
COMMIT = "1234567890abcdef1234567890abcdef12345678"
FILES = {
    "config.json": b'{"model_type": "qwen3"}',
    "model.safetensors": bytes(range(256)) * 4096,
    "tokenizer.json": b"{}",
    "LICENSE": b"Apache",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.onnx": b"not wanted",
}
REPOSITORY = "Qwen/Qwen3-0.6B"

pytestmark = pytest.mark.slow  # each call starts a Python of its own, since the hub's address is read at import


class Hub(BaseHTTPRequestHandler):
    """One repository, one gated repository, and a log of what was asked."""

    files: dict[str, bytes]
    asked: list[str]
    break_after: int | None

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if "facebook/" in path:
            return self.refuse(403, "GatedRepo")
        if not re.search(rf"{REPOSITORY}(/|$)", path):
            return self.refuse(404, "RepoNotFound")
        if path.endswith("/auth-check"):
            return self.send(b"{}")
        if "/revision/" in path or "/tree/" in path:
            if path.rsplit("/", 1)[1] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            tree = [
                {"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()} for n, b in server.files.items()
            ]
            info = {"id": REPOSITORY, "sha": COMMIT, "siblings": [{"rfilename": name} for name in server.files]}
            return self.send(json.dumps(tree if "/tree/" in path else info).encode(), kind="application/json")
        return self.send(server.files[path.partition(f"/resolve/{COMMIT}/")[2]])

    def send(self, body: bytes, kind: str = "application/octet-stream") -> None:
        start = int((re.search(r"bytes=(\d+)-", self.headers.get("Range") or "") or [0, 0])[1])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.server.break_after
        if cut is not None and len(body) > cut:
            self.wfile.write(body[start : start + cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        else:
            self.wfile.write(body[start:])

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", "refused")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files, server.asked, server.break_after = FILES, [], None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def call(hub, tmp_path):
    def run(*arguments: str, address: str = "", **environment: str) -> subprocess.CompletedProcess:
        address = address or f"http://127.0.0.1:{hub.server_port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "http", "HTTP"))}
        variables = kept | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-m", "prima_jax.download_weights", *arguments, f"--folder={tmp_path / 'weights'}"]
        done = subprocess.run(
            command, cwd=ROOT, env=variables | environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def test_what_is_needed_is_fetched_and_noted(call, hub, tmp_path):
    done = call("Qwen3-0.6B")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "weights" / "Qwen3-0.6B"
    wanted = {"config.json", "model.safetensors", "tokenizer.json", "LICENSE"}
    assert {path.name for path in folder.iterdir() if path.is_file()} == wanted | {"source.json"}
    assert all((folder / name).read_bytes() == FILES[name] for name in wanted)
    assert json.loads((folder / "source.json").read_text()) == {"repository": REPOSITORY, "commit": COMMIT}
    hub.asked.clear()
    assert call("Qwen3-0.6B").returncode == 0
    assert not [line for line in hub.asked if line.startswith("GET") and "/resolve/" in line], "fetched twice"


def test_folders_are_named_after_repositories():
    """Among them small models whose architectures are implemented, for machines without a GPU."""
    assert all(repository.endswith(f"/{folder}") for folder, repository in CHECKPOINTS.items())
    assert set(RECIPE) < set(CHECKPOINTS)
    assert {"dinov2-small", "all-MiniLM-L6-v2", "SmolLM2-135M-Instruct", "vit_small_patch16_dinov3.lvd1689m"} < set(CHECKPOINTS)


def test_a_dry_run_fetches_nothing(call, hub, tmp_path):
    done = call("Qwen3-0.6B", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "1.0 MiB  model.safetensors" in done.stdout
    assert f"{REPOSITORY} at {COMMIT}" in done.stdout
    assert "pytorch_model.bin" not in done.stdout
    assert not [line for line in hub.asked if line.startswith("GET") and "/resolve/" in line]
    assert not (tmp_path / "weights" / "Qwen3-0.6B" / "model.safetensors").exists()


def test_a_cut_connection_goes_on(call, hub, tmp_path):
    """The client asks anew from where it was; where the server stays broken, one sentence, and the next call completes."""
    hub.break_after = 300_000
    done = call("Qwen3-0.6B")
    hub.break_after = None
    if done.returncode:
        assert "the same command goes on" in done.stderr
        assert call("Qwen3-0.6B").returncode == 0
    assert (tmp_path / "weights" / "Qwen3-0.6B" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


@pytest.mark.parametrize(
    ("name", "environment", "words"),
    [
        ("dinov3-vits16-pretrain-lvd1689m", {}, "is gated: accept its licence at https://huggingface.co/facebook/.*HF_TOKEN=hf_"),
        ("dinov3-vits16-pretrain-lvd1689m", {"HF_TOKEN": "hf_x"}, "is gated: .* the token in HF_TOKEN is not of an account"),
        ("Clinical_ModernBERT", {}, "Simonlee711/Clinical_ModernBERT was not found"),
        ("Qwen3-0.6B@v9", {}, "has no revision 'v9'"),
        ("Qwen3-9B", {}, "'Qwen3-9B' is not one of the known checkpoints: .*Qwen3-0.6B"),
    ],
)
def test_what_cannot_be_fetched_is_told_in_one_sentence(call, name, environment, words):
    done = call(name, **environment)
    assert done.returncode == 2
    assert re.search(words, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_repository_without_safetensors_is_told_in_one_sentence_and_not_fetched(call, hub, tmp_path, flags):
    hub.files = {name: content for name, content in FILES.items() if name != "model.safetensors"}
    done = call("Qwen3-0.6B", *flags)
    assert done.returncode == 2
    assert re.search(rf"{REPOSITORY} holds no \*\.safetensors.*see https://huggingface.co/{REPOSITORY}/tree", done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "weights" / "Qwen3-0.6B" / "config.json").exists()


def test_no_connection(call):
    done = call("Qwen3-0.6B", address="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "could not be fetched" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "could not be asked for (ImportError): see what ALL_PROXY"),
        ({"HF_TOKEN": "hf_\u00e4"}, "could not be asked for (UnicodeEncodeError): see what"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set in the environment; unset it"),
        ({"SSL_CERT_FILE": "/nonexistent.pem"}, "could not be asked for ([Errno 2]"),
    ],
)
def test_what_the_environment_has_wrong_is_told_as_such(call, variables, said):
    done = call("Qwen3-0.6B", "--dry-run", **variables)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and said in done.stderr, done.stderr
