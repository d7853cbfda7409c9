"""What README.md and docs/ promise is there: files, commands, config fields, modules, equations, examples."""

import ast
import csv
import importlib.util
import io
import re
from dataclasses import fields
from pathlib import Path

import pytest
from ml_collections import ConfigDict
from PIL import Image

from prima_jax import cli
from prima_jax.data.corpus_file import read_corpus
from prima_jax.data.text import sentence
from prima_jax.studies.manifest import read
from prima_jax.studies.records import parse_fields
from prima_jax.studies.study import Attribute, Study
from prima_jax.studies.study_config import study_from_config
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "prima_jax"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
EVERYTHING = "\n".join(TEXTS.values())
WRITTEN = set(re.findall(r"--out=(configs/\w+\.py)", EVERYTHING))
"""By prima init, hence not there."""
NAMED_CONFIGS = sorted(
    named
    for named in set(re.findall(r"--config=(configs/\w+\.py(?::[\w,]+)?)", EVERYTHING))
    if named.partition(":")[0] not in WRITTEN
)
FIELDS = sorted(set(re.findall(r"--config\.([a-z_.0-9]*[a-z_0-9])", EVERYTHING)))
FOLDERS = "benchmarks|configs|docs|examples|prima_jax|scripts|tests"
CHECKS = (".ci/run", ".github/workflows/ci.yml")
FULL_RECIPES = ("configs/aqua.py", "configs/pad_ufes_20.py")


def load(named: str) -> ConfigDict:
    """The config that `configs/NAME.py[:preset]` is."""
    path, _, preset = named.partition(":")
    specification = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.get_config(preset) if preset else module.get_config()


def block(page: str, language: str, number: int) -> str:
    return re.findall(rf"```{language}\n(.*?)```", TEXTS[page], re.DOTALL)[number]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_file_that_is_named_exists(page):
    for path in re.findall(rf"`((?:{FOLDERS})/[\w/]+\.\w+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), f"{page.name} names {path}"


@pytest.mark.parametrize("named", NAMED_CONFIGS)
def test_every_config_that_is_named_loads(named):
    assert isinstance(load(named), ConfigDict)


def test_commands_run_modules_and_make_targets_that_exist():
    modules = set(re.findall(r"-m ((?:prima_jax|scripts|benchmarks)(?:\.\w+)+)", EVERYTHING))
    assert {"scripts.parity", "benchmarks.rerank"} <= modules
    for module in modules:
        assert importlib.util.find_spec(module), module
    assert set(re.findall(r"(?:`|    )prima (\w+)", EVERYTHING)) == set(cli.COMMANDS)
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|    )make ([\w-]+)", EVERYTHING)) <= targets
    checks = [set(re.findall(r"make ([\w-]+)$", (ROOT / file).read_text(), re.MULTILINE)) for file in CHECKS]
    assert checks[0] == checks[1] <= targets


def test_every_promise_names_a_test_that_is_there():
    rows = re.findall(r"^\| (?!\*\*|promise |-)(.+) \| (.*) \|$", TEXTS["promises.md"], re.MULTILINE)
    named = {promise: re.findall(r"`([\w/]+\.py)::(\w+)`", tests) for promise, tests in rows}
    assert len(named) > 40 and not [promise for promise, tests in named.items() if not tests]
    for promise, tests in named.items():
        for file, name in tests:
            assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), f"{promise}: {file}::{name}"


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_that_is_named_exists(field):
    tables = ("configs/aqua.py:table2", "configs/pad_ufes_20.py:table1")
    for named in tables if field.startswith(("table.", "baselines.")) else (*FULL_RECIPES, "configs/my_cohort.py"):
        value = load(named)
        for key in field.split("."):
            assert key in value, f"{named} has no {field}"
            value = value[key]


def test_the_ambiguities_give_the_default_of_every_field_they_name():
    found: dict[str, set] = {}
    for field, value in re.findall(r"--config\.([a-z_.]+)=([^`\s]*)", TEXTS["ambiguities.md"]):
        found.setdefault(field, set()).add(plain(value))
    assert len(found) > 40
    defaults = {field: {get(load(named), field) for named in FULL_RECIPES} for field in found}
    assert not {field: (found[field], defaults[field]) for field in found if not found[field] & defaults[field]}


def plain(text: str):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def get(config: ConfigDict, field: str):
    for key in field.split("."):
        config = config[key]
    return config


def test_the_modules_are_the_files_of_the_package():
    rows = re.findall(r"^\| (\d+) \| `([\w.]+)/?` \|", TEXTS["architecture.md"], re.MULTILINE)
    modules = {path.name for path in PACKAGE.iterdir() if path.name not in ("__init__.py", "__pycache__", "py.typed")}
    assert sorted(module for _, module in rows) == sorted(modules)
    assert {module.removesuffix(".py"): int(layer) for layer, module in rows} == LAYERS


@pytest.mark.parametrize("page", ["architecture.md", "walk.md"])
def test_every_function_lives_where_the_page_says(page):
    places = re.findall(r"`([\w/]+\.py):(\w+)`", TEXTS[page])
    assert len(places) > 15
    for path, name in places:
        tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
        defined = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        assert name in defined, f"{path} has no {name}"


@pytest.mark.parametrize(("number", "config"), [(0, "configs/aqua.py"), (1, "configs/my_cohort.py")])
def test_the_example_of_a_manifest_can_be_read(tmp_path, number, config):
    manifest = block("your_own_cohort.md", "csv", number)
    (tmp_path / "images").mkdir()
    (tmp_path / "manifest.csv").write_text(manifest)
    rows = list(csv.DictReader(io.StringIO(manifest)))
    for shade, row in enumerate(rows):
        Image.new("RGB", (8, 8), (40 * shade, 0, 0)).save(tmp_path / "images" / row["image"])
    study = study_from_config(load(config).study.definition)
    assert len(read(study, tmp_path).records) == len(rows) == 5
    columns = {study.image_column, study.label_column, study.image_type_column, *study.subject_columns, *study.unit_columns}
    assert set(rows[0]) == {*columns, *(a.column for a in study.attributes)} - {""}


def test_the_walk_begins_with_what_the_study_says_of_its_row():
    study = study_from_config(load("configs/aqua.py:demo").study.definition)
    [row] = csv.DictReader(io.StringIO(block("walk.md", "csv", 0)))
    fields = parse_fields(study, {a.name: row[a.column] for a in study.attributes}, "walk.md")
    assert block("walk.md", " *text", 0).strip() == sentence(study, fields, visual_only=True)


def test_every_key_of_a_study_is_explained():
    table = TEXTS["your_own_cohort.md"].partition("## Any other cohort")[2]
    cells = " ".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.MULTILINE))
    assert set(re.findall(r"\w+", cells)) == {field.name for kind in (Study, Attribute) for field in fields(kind)}


def test_the_example_of_a_corpus_can_be_read(tmp_path):
    file = tmp_path / "corpus.jsonl"
    file.write_text(block("corpus.md", "jsonl", 0))
    assert len(read_corpus(file, "text").texts) == 3


@pytest.mark.parametrize("preset", ["", ":small"])
def test_a_cohort_of_ones_own_is_a_config_and_no_more(preset):
    config = load(f"configs/my_cohort.py{preset}")
    study = study_from_config(config.study.definition)
    assert study.class_names == ("benign", "malignant")  # the order of the file, not of the alphabet
    assert any(attribute.visual for attribute in study.attributes)
    assert set(config) == set(load("configs/pad_ufes_20.py"))  # else experiment.py would miss a section
    assert (config.models.image.weights is None) == bool(preset)
