"""The review page on invented claims, in a browser: for its pictures, and for its tests."""
