"""A study is data: its classes, attributes, unit and views. Nothing else in the house knows one cohort from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from prima_jax.errors import UserError

__all__ = ["Attribute", "Record", "Study", "Value"]

Value = str | float | bool
"""What a field of a record can hold: a category's word, a number, or yes (True) / no (False)."""


@dataclass(frozen=True)
class Attribute:
    """One clinical attribute: where it stands, what it means, and what a model may see of it.

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
    """Can an image show it? Only these are written into the text of the alignment (section 2.2)."""
    shown: bool = True
    """May a model see it at all, in text or in the one-hot vector y?"""
    block: str = ""
    """A name for fields that are filled in together, so that one config word hides them all."""
    terms: tuple[str, ...] = ()
    """What the literature calls it, for the knowledge corpus alone: `smok*` for all words that begin so, a MeSH heading with
    `[mh]` at its end. Empty: nothing is looked up."""


@dataclass(frozen=True)
class Record:
    """One photograph with what is known about its patient. `fields` leaves out what is missing."""

    id: str
    image: str
    """Path of the photograph, relative to the study's folder."""
    unit: str
    """What is split and diagnosed: a lesion, or an eye."""
    subject: str
    label: int
    view: str
    """The kind of photograph, e.g. the illumination; the empty string where a study has only one."""
    fields: Mapping[str, Value]


@dataclass(frozen=True)
class Study:
    """A cohort: a CSV file, photographs, and what their columns mean."""

    name: str
    title: str
    classes: Mapping[str, str]
    """Raw label in the file -> the diagnosis in words, in the order of the columns of every table."""
    label_column: str
    image_column: str
    subject_columns: tuple[str, ...]
    unit_columns: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    manifest: str = "manifest.csv"
    image_folders: tuple[str, ...] = ("images",)
    """Folders under the study's folder that are searched for a photograph, in this order."""
    image_suffixes: tuple[str, ...] = ()
    """Suffixes tried in place of the one in the file, e.g. (".png", ".jpg"). Empty: the name as it stands."""
    view_column: str = ""
    views: Mapping[str, str] = field(default_factory=dict)
    """Raw view in the file -> its name, in the order in which a unit's scans are shown to the LLM."""
    missing: tuple[str, ...] = ("",)
    """Raw values that mean: not known."""
    skip_missing_images: bool = False
    """True: rows whose photograph is not there are counted, named and left out. False: they are an error."""
    synthetic: bool = False
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Raw label -> what else the literature calls the diagnosis, as an attribute's `terms`; its words above count as well."""

    def attribute(self, name: str) -> Attribute:
        """Returns the attribute called `name`; raises UserError that lists the known ones."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        known = ", ".join(a.name for a in self.shown())
        raise UserError(f"{self.name} has no attribute {name!r}; it has {known}.")

    def shown(self, *, visual_only: bool = False) -> tuple[Attribute, ...]:
        """Attributes that a model may see; with `visual_only`, those that an image can show."""
        return tuple(a for a in self.attributes if a.shown and (a.visual or not visual_only))

    def hide(self, block: str) -> "Study":
        """The same study with one block of attributes hidden from every model; the empty string hides none."""
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

    def manifest_path(self, folder: str | Path) -> Path:
        """Where the study's CSV file stands."""
        return Path(folder) / self.manifest
