"""The attention of Eq. 4 against masks of the visible signs: figures where signs have masks, and pictures."""
