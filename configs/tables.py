"""The paper's tables, and two more, as presets: configs/pad_ufes_20.py:table1, configs/aqua.py:table2,demo and so on."""

import re

from ml_collections import ConfigDict

from configs import baselines


def split_preset(preset: str) -> tuple[int, str]:
    """The number of the table that a preset names, 0 for none, and what else it says: "table1,small" -> (1, "small")."""
    words = [word for word in preset.split(",") if word]
    tables = [int(match[1]) for word in words if (match := re.fullmatch(r"table([1-5])", word))]
    rest = ",".join(word for word in words if not re.fullmatch(r"table[1-5]", word))
    return (tables[0] if tables else 0), rest


def with_table(config: ConfigDict, number: int, *, weights: bool, subgroups: tuple[str, ...]) -> ConfigDict:
    """The same recipe with the rows of a table, or of a plain run (0). subgroups: attributes whose groups are scored apart."""
    with config.unlocked():
        config.table = ConfigDict(
            {
                "number": number,
                "rows": (),  # none named: all
                "seeds": (0,),  # each draws folds, weights and batches anew
                "processes": 1,  # rows that run at the same time
                "subgroups": subgroups,
                "error_photographs": 0,  # how many of PRIMA's most confident errors report.html shows; ten at most
            }
        )
        config.baselines = baselines.published(config) if weights else baselines.small(config)
    return config
