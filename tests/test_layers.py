"""The rules of the package that a machine can check: imports run down only, and files stay small."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "prima_jax"
LAYERS = {
    "errors": 0,
    "pages": 1,
    "progress": 0,
    "runtime": 0,
    "version": 0,
    "download_weights": 1,
    "files": 1,
    "hosts": 1,
    "json_text": 1,
    "problems": 1,
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
    "main": 7,
    "corpus": 9,
    "clinic": 9,
    "predict": 10,
    "grounding": 8,
    "robustness": 8,
    "intake": 8,
    "cli": 11,
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


def test_imports_run_down_only():
    up = []
    for path in MODULES:
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        others = {name for name in imported(path) if own != "__init__" and module(name) != own}
        up += [f"{path.relative_to(ROOT)} imports {name}" for name in others if LAYERS[module(name)] >= LAYERS[own]]
    assert not up


def test_a_step_of_the_corpus_imports_earlier_steps_only_and_what_they_share_imports_none():
    late = []
    for path in (*(PACKAGE / "corpus").glob("*/*.py"), *(PACKAGE / "corpus").glob("*.py")):
        if path.name != "__main__.py":
            allowed = STEPS[: STEPS.index(path.parent.name) + 1] if path.parent.name in STEPS else []
            steps = {name.split(".")[2] for name in imported(path) if name.startswith("prima_jax.corpus.")} & set(STEPS)
            late += [f"{path.relative_to(ROOT)} imports {step}" for step in steps - set(allowed)]
    assert not late


def test_scripts_and_benchmarks_do_not_import_tests():
    paths = (*ROOT.glob("scripts/**/*.py"), *ROOT.glob("benchmarks/*.py"))
    assert not [path for path in paths if re.search(r"^\s*(from|import) tests\b", path.read_text(), re.MULTILINE)]


def test_every_module_has_a_layer():
    modules = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES} - {"__init__"}
    assert modules == set(LAYERS)


def test_a_file_is_one_module():
    assert not [path for path in MODULES if len(path.read_text().splitlines()) > 320]


def test_importing_the_package_needs_neither_torch_nor_tensorflow():
    pattern = re.compile(r"^\s*(from|import) (torch|tensorflow)\b", re.MULTILINE)
    assert not [path for path in MODULES if pattern.search(path.read_text())]
