"""The words by which columns and values of a CSV file are recognised, in the languages in which files have come."""

import re

__all__ = ["DIAGNOSIS", "HINTS", "MISSING", "NO", "PERSONAL", "SITE", "SUBJECT", "TOLD_LATE", "UNIT", "VISIBLE", "YES"]

MISSING = {"", "na", "n/a", "nan", "unknown", "-", "?", "null", "desconocido", "unbekannt", "inconnu", "不详", "未知"}
"""Not known, in lower case."""
YES = {"yes", "true", "1", "y", "sí", "si", "ja", "oui", "sim", "да", "是", "有"}
NO = {"no", "false", "0", "n", "nein", "nee", "non", "não", "нет", "否", "无"}

DIAGNOSIS = re.compile(r"diagn|^dx$|^label$|^target$|^class$|benign|malign|诊断|診斷", re.IGNORECASE)
SUBJECT = re.compile(r"patient|paciente|patiënt|subject|person(?!al)|患者|病人|病历|^pid$|^id$", re.IGNORECASE)
PERSONAL = re.compile(r"age\b|sex|gender|edad|alter\b|年龄|性别", re.IGNORECASE)
"""What a person's column is about, where it does not name the person."""
UNIT = re.compile(
    r"lesion|lesión|läsion|mole(?!cul)|eye(?!lid|brow|lash)|auge|visit|(?<!re|in)side(?!.?effect)|tooth|nodule|病灶|眼别",
    re.IGNORECASE,
)
SITE = re.compile(
    r"hospital|clinic\b|\bcent(er|re)\b|\bcentro\b|klinik|zentrum|krankenhaus|hôpital|institut|医院|中心", re.IGNORECASE
)
"""Where a photograph was taken; "site" alone is more often one of the body."""
VISIBLE = re.compile(r"site|locali|location|place|siz|colou?r|shape|diamet|taman|tamaño|grö|部位|大小|颜色", re.IGNORECASE)
TOLD_LATE = re.compile(r"^dx_|histo|patholog|biops|confirm|病理", re.IGNORECASE)
"""Columns of what is known only with the diagnosis, or after it."""
HINTS = (("left", "right"), ("od", "os"), ("izquierdo", "derecho"), ("links", "rechts"), ("左", "右"))
"""What the names of two columns differ in, where a row holds two sides."""
