"""What the pages that people open in a browser share: who may ask, how it is served, how it looks."""
