"""Where the words of a visible sign look (Eq. 4): the figures where signs have masks, and pictures."""
