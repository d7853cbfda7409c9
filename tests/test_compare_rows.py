"""Two rows of finished tables, paired."""

import csv

from scripts import compare_rows


def write(folder, right, seeds=(0,)):
    """Twenty cases of two classes; right: row -> how many of them it has right, from the first on."""
    folder.mkdir()
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seed", "method", "record", "unit", "subject", "fold", "label", "predicted", "p_a", "p_b"])
        for seed in seeds:
            for name, count in right.items():
                for n in range(20):
                    label, hit = "ab"[n % 2], n < count and not seed
                    p = 0.9 if (label == "a") == hit else 0.1
                    writer.writerow([seed, name, f"r{n}", f"u{n}", f"s{n}", n % 2, label, "", p, 1 - p])


def test_the_difference_is_that_of_the_first_seed_on_the_same_cases(tmp_path, capsys):
    write(tmp_path / "table_1", {"one": 20, "other": 12}, seeds=(0, 1))
    write(tmp_path / "table_3", {"one": 20, "third": 20})
    assert compare_rows.main([str(tmp_path / "table_1"), "one", "other"]) == 0
    assert "accuracy: 40.0 (" in capsys.readouterr().out
    both = f"{tmp_path / 'table_1'},{tmp_path / 'table_3'}"
    assert compare_rows.main([both, "other", "third"]) == 0
    assert "accuracy: -40.0 (" in capsys.readouterr().out
    assert compare_rows.main([both, "one", "third"]) == 0
    assert "accuracy: 0.0 (0.0 to 0.0)" in capsys.readouterr().out


def test_what_is_not_there_is_told_in_a_sentence(tmp_path, capsys):
    write(tmp_path / "table_1", {"one": 20})
    assert compare_rows.main([str(tmp_path / "table_1"), "one", "magic"]) == 2
    assert "has a row magic" in capsys.readouterr().err
    assert compare_rows.main([str(tmp_path / "nowhere"), "one", "two"]) == 2
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err
    (tmp_path / "predictions.csv").write_text("seed,method\n0,one\n")
    assert compare_rows.main([str(tmp_path), "one", "two"]) == 2
    assert "has no column fold" in capsys.readouterr().err
