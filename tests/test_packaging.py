"""What pip installs: the recipes, and packages as the lock files have them."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from prima_jax.errors import UserError
from prima_jax.main import load_recipe

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_a_recipe_that_is_not_here_is_the_installed_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("configs/aqua.py:demo").study.synthetic.units == 1200
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "aqua.py").write_text("def get_config(): return 3")
    with pytest.raises(UserError, match="should return a ConfigDict, not int"):
        load_recipe("configs/aqua.py")


def test_what_the_package_asks_for_is_what_is_locked():
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    asked = {r.name: r for r in (Requirement(text) for group in groups for text in group) if r.name != "prima-jax"}
    lines = "\n".join(path.read_text() for path in ROOT.glob("requirements*.txt"))
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", lines, re.MULTILINE))
    assert set(locked) - set(asked) == {"jaxlib"}, "what jax brings along"
    assert not [name for name, r in asked.items() if str(r.specifier) != f">={locked[name]}"], "lower bounds are what is tested"


@pytest.mark.parametrize("extra", ["", "serve"])
def test_what_the_package_imports_is_asked_for(extra):
    parts = {path: path.relative_to(ROOT).parts for path in (ROOT / "prima_jax").rglob("*.py")}
    left_out = {"corpus"} if extra else {"corpus", "pages", "serve"}
    files = [path for path, names in parts.items() if not left_out & set(names)]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    imported = {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    imported |= {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"prima_jax"}
    others.remove("pydantic_core")  # of pydantic, which asks for it
    distributions = packages_distributions()
    chosen = ("dicom", "serve") if extra else ("dicom",)  # fastapi brings starlette along
    extras = [
        "starlette",
        *(text for name in chosen for text in PROJECT["optional-dependencies"][name]),
    ]
    asked = {Requirement(text).name for text in [*PROJECT["dependencies"], *extras]}
    assert not {name for name in others if not asked & {found.lower() for found in distributions[name]}}
