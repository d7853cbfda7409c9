"""A word that only a few patients' fields hold does not reach a bundle; all others are read as before."""

from dataclasses import replace
from pathlib import Path

from prima_jax.clinic.withheld import public_groups, public_seen, public_tokenizer
from prima_jax.data.seen import keep_seen, read_seen
from prima_jax.data.text import load_tokenizer, sentence, train_tokenizer
from prima_jax.studies.study import Attribute
from tests.data.cohort import STUDY, record

FREE = replace(STUDY, attributes=(*STUDY.attributes, Attribute("site", "site", "category", "On the {value}.")))
RARE = "quixlanebury"


def test_rare_words_are_left_out_and_the_rest_is_read_as_before(tmp_path: Path):
    values = ["forearm"] * 9 + ["shoulder"] * 8 + [RARE] * 2
    records = [
        replace(record(f"p{n}", f"u{n}", f"s{n}"), fields={"site": value, "age": 20.0 + n, "pain": n % 2 == 0})
        for n, value in enumerate(values)
    ]
    keep_seen(tmp_path, FREE, records)
    seen = public_seen(FREE, read_seen(tmp_path))
    groups = {"site": [{"name": name, "units": 9} for name in ("forearm", RARE, "not known")]}
    groups["pain"] = [{"name": "yes", "units": 9}, {"name": "no", "units": 4}]
    sets = [{"group": group} for group in ("all", f"site: {RARE}", "site: forearm", "pain: no")]
    kept, lines = public_groups(FREE, seen, {"subgroups": groups, "prediction_sets": sets})
    assert [one["name"] for one in kept["site"]] == ["forearm", "not known"] and [one["name"] for one in kept["pain"]] == ["yes"]
    assert [line["group"] for line in lines] == ["all", "site: forearm"]
    assert seen["fields"]["site"] == ["forearm", "shoulder"] and seen["subjects"]["site"] == [9, 8]
    texts = [sentence(FREE, one.fields) for one in records] + [f"{RARE} twice", f"not the {RARE}"]
    train_tokenizer(texts, tmp_path / "whole", vocabulary_size=700, answers=tuple(FREE.classes))
    assert any(RARE[:5] in token for token in load_tokenizer(tmp_path / "whole").get_vocab())

    public_tokenizer(tmp_path / "whole", tmp_path / "public", FREE, seen)
    content = b"".join(file.read_bytes() for file in (tmp_path / "public").rglob("*") if file.is_file()).decode()
    assert not [part for part in (RARE[n : n + 4] for n in range(len(RARE) - 3)) if part in content]
    before, after = load_tokenizer(tmp_path / "whole"), load_tokenizer(tmp_path / "public")
    for fields in ({"site": "forearm", "age": 47.0, "pain": False}, {"age": 999.5}, {"site": "shoulder", "pain": True}):
        text = f"{sentence(FREE, fields)} {next(iter(FREE.classes))}"
        assert after(text)["input_ids"] == before(text)["input_ids"]
    assert after.decode(after(f"On the {RARE}.")["input_ids"], skip_special_tokens=True).strip() == f"On the {RARE}."
