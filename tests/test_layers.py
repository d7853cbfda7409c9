"""The rules of the package that a machine can check: imports run down only, and files stay small."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "prima_jax"
LAYERS = {
    "errors": 0,
    "progress": 0,
    "runtime": 0,
    "version": 0,
    "download_weights": 1,
    "files": 1,
    "json_text": 1,
    "losses": 2,
    "models": 2,
    "studies": 2,
    "training": 2,
    "data": 3,
    "metrics": 3,
    "report": 4,
    "stages": 4,
    "methods": 5,
    "recipe": 5,
    "workdir": 5,
    "experiment": 6,
    "main": 8,
    "corpus": 9,
    "api": 7,
    "predict": 9,
    "grounding": 9,
    "cli": 10,
}
STEPS = ["search", "retrieve", "write", "check", "review", "publish", "learn"]
"""The steps of the corpus, in order, a folder each."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def module(name: str) -> str:
    """prima_jax.data.text -> data"""
    return name.split(".")[1]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        assert not getattr(node, "level", 0), f"{path}: a relative import, whose module its text does not name"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prima_jax"):
            names |= {f"{node.module}.{a.name}" for a in node.names} if node.module == "prima_jax" else {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("prima_jax")}
    return {name for name in names if name.count(".")}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_down_only(path):
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imported(path):
        other = module(name)
        assert other == own or LAYERS[other] < LAYERS[own], f"{relative} (layer {LAYERS[own]}) imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "corpus").glob("*/*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_step_of_the_corpus_imports_earlier_steps_only(path):
    own = STEPS.index(path.parent.name)
    others = {name.split(".")[2] for name in imported(path) if name.count(".") > 2}
    assert others <= set(STEPS[: own + 1])


@pytest.mark.parametrize("path", sorted((PACKAGE / "corpus").glob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_the_steps_share_imports_none_of_them(path):
    if path.name != "__main__.py":
        assert not any(name.startswith(f"prima_jax.corpus.{step}") for name in imported(path) for step in STEPS)


def test_scripts_and_benchmarks_do_not_import_tests():
    for path in (*ROOT.glob("scripts/**/*.py"), *ROOT.glob("benchmarks/*.py")):
        assert not re.search(r"^\s*(from|import) tests\b", path.read_text(), re.MULTILINE), path


def test_every_module_has_a_layer():
    modules = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES} - {"__init__"}
    assert modules == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_stays_small(path):
    assert len(path.read_text().splitlines()) <= 400


def test_importing_the_package_needs_neither_torch_nor_tensorflow():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        tops = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)} | {
            a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
        }
        assert not {t.split(".")[0] for t in tops if t} & {"torch", "tensorflow"}, path
