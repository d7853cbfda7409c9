"""A study is data: its classes, attributes, unit and image types. No other module distinguishes cohorts."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from prima_jax.errors import UserError

__all__ = ["SIDE", "YES_NO", "Attribute", "DiseaseTerms", "Join", "Record", "Study", "Value", "as_said"]

Value = str | float | bool
"""The value of a field of a record: a category's word, a number, or yes (True) / no (False)."""

SIDE = "side"
"""The column that a study with `sides` gets besides the file's."""
YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""What every study may say for yes and no."""


def as_said(word: str) -> str:
    """Returns a word whatever its case, its accents composed as in no file in particular."""
    return unicodedata.normalize("NFC", word).casefold()


@dataclass(frozen=True)
class Attribute:
    """One clinical attribute: its column, its meaning, and its visibility to models.

    `sentence` is a template with `{value}` for categories and numbers, and, for a number with bins, `{band}`, its bin in
    words ("40 to 60"); for yes/no it is what is written when the
    answer is yes, and `negative` what is written when it is no. An empty template writes nothing. A missing value
    never writes anything.
    """

    name: str
    column: str
    kind: Literal["category", "number", "yes_no"]
    sentence: str
    negative: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """Raw value in the file -> its word. Empty: every raw value is its own word."""
    bins: tuple[float, ...] = ()
    """Edges that cut a number into one-hot columns (Eq. 6); k edges make k + 1 columns."""
    visual: bool = False
    """True if an image can show it; only these are in the text of the alignment (section 2.2)."""
    shown: bool = True
    """True if models may see it, in text or in the one-hot vector y."""
    block: str = ""
    """A name for fields that are filled in together, so that one config word hides them all."""
    terms: tuple[str, ...] = ()
    """Its terms in the literature, for the knowledge corpus alone: `smok*` for all words that begin so, a MeSH heading with
    `[mh]` at its end. Empty: not searched."""


@dataclass(frozen=True)
class Record:
    """One photograph with the known fields of its patient; missing ones are not in `fields`."""

    id: str
    image: str
    """Path of the photograph, relative to the study's folder."""
    unit: str
    """The unit that is split and diagnosed: a lesion, or an eye."""
    subject: str
    label: int
    image_type: str
    """The kind of photograph, e.g. the illumination; the empty string if the study has only one."""
    fields: Mapping[str, Value]
    site: str = ""
    """Where it was taken; the empty string if the study does not say."""


@dataclass(frozen=True)
class DiseaseTerms:
    """How the literature writes of a diagnosis, for the knowledge corpus alone; each written as an attribute's `terms`."""

    names: tuple[str, ...] = ()
    """Its names besides its words in the study; a MeSH heading only if it means this disease and no other."""
    context: tuple[str, ...] = ()
    """What an article has to name more often than what is excluded, such as "skin"; of an article with MeSH headings, one has
    to be here or among the names. Empty: nothing is asked of it."""
    excluded: tuple[str, ...] = ()
    """What tells of a namesake, such as `oesophag*`: an article whose title names one is not on this disease."""


@dataclass(frozen=True)
class Join:
    """A second CSV file of a study: its name, and the column by which its rows belong to the first one's."""

    manifest: str
    key: str


@dataclass(frozen=True)
class Study:
    """A cohort: a CSV file, photographs, and the meaning of the columns."""

    name: str
    title: str
    classes: Mapping[str, str]
    """Raw label in the file -> the diagnosis in words, in the order of the columns of every table."""
    image_column: str
    subject_columns: tuple[str, ...]
    unit_columns: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    site_columns: tuple[str, ...] = ()
    """Columns that together name the site, such as a hospital, for `split.group=site`. Empty: not known."""
    label_column: str = ""
    label_columns: Mapping[str, str] = field(default_factory=dict)
    """In place of `label_column`: a column of yes and no -> the raw label that its yes means. One of them is yes in a row."""
    manifest: str = "manifest.csv"
    join: Join | None = None
    """A second CSV file, whose columns are added to the row that has its key."""
    sides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name of a side -> the study's column -> the file's. Each side is a row of its own, with its name in the column SIDE."""
    image_separator: str = ""
    """What stands between several photographs in one cell. Empty: a cell is one photograph."""
    delimiter: str = ""
    """What stands between the cells of the CSV file. Empty: found in its header."""
    encoding: str = ""
    """The CSV file's. Empty: UTF-8, or what a byte order mark tells."""
    decimal: str = "."
    """The decimal sign of numbers, a point or a comma."""
    yes: tuple[str, ...] = ()
    """Words for yes besides yes, true and 1, in any case; likewise for no."""
    no: tuple[str, ...] = ()
    image_folders: tuple[str, ...] = ("images",)
    """Folders under the study's folder that are searched for a photograph, in this order."""
    image_suffixes: tuple[str, ...] = ()
    """Suffixes tried in place of the one in the file, e.g. (".png", ".jpg"). Empty: the name as it stands."""
    image_type_column: str = ""
    image_types: Mapping[str, str] = field(default_factory=dict)
    """Raw image type in the file -> its name, in the order in which a unit's photographs are shown to the LLM."""
    missing: tuple[str, ...] = ("",)
    """Raw values that mean: not known."""
    window: tuple[float, ...] = ()
    """The levels that are black and white in photographs of more than 8 bits a channel. Empty: those are refused, but for DICOM
    files with a window of their own."""
    skip_missing_images: bool = False
    """True: rows whose photograph is not there are counted, named and left out. False: they are an error."""
    synthetic: bool = False
    terms: Mapping[str, DiseaseTerms] = field(default_factory=dict)
    """Raw label -> how the literature writes of the diagnosis."""

    def attribute(self, name: str) -> Attribute:
        """Returns the attribute called `name`; raises UserError that lists the known ones."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        known = ", ".join(a.name for a in self.shown())
        raise UserError(f"{self.name} has no attribute {name!r}; it has {known}.")

    def shown(self, *, visual_only: bool = False) -> tuple[Attribute, ...]:
        """Returns the attributes that a model may see; with `visual_only`, those that an image can show."""
        return tuple(a for a in self.attributes if a.shown and (a.visual or not visual_only))

    def hide(self, block: str) -> "Study":
        """Returns the same study with one block of attributes hidden from every model; the empty string hides none."""
        if not block:
            return self
        blocks = sorted({a.block for a in self.attributes if a.block})
        if block not in blocks:
            raise UserError(
                f"study.hide = {block!r} names no block of {self.name}; its blocks are {', '.join(blocks) or 'none'}."
            )
        return replace(self, attributes=tuple(replace(a, shown=a.shown and a.block != block) for a in self.attributes))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The raw labels, which are also the column names of tables and files."""
        return tuple(self.classes)

    @property
    def label_sources(self) -> tuple[str, ...]:
        """The columns that tell the diagnosis."""
        return tuple(self.label_columns) or (self.label_column,)

    def manifest_path(self, folder: str | Path) -> Path:
        """Returns the path of the study's CSV file."""
        return Path(folder) / self.manifest

    def files(self, folder: str | Path) -> tuple[Path, ...]:
        """Returns the paths of all CSV files of the study."""
        return (self.manifest_path(folder), *((Path(folder) / self.join.manifest,) if self.join else ()))
