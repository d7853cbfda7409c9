"""Step search: articles from PubMed, or from a folder."""
