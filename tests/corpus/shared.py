"""The real abstracts and the recorded replies of PubMed, which are not part of this repository."""

from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared" / "data" / "pubmed"
