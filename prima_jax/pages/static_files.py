"""The files that a page loads: its own, those that all pages share, and htmx, all from this machine."""

import importlib.util
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from prima_jax.errors import UserError

__all__ = ["static_files"]

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def static_files(folder: Path) -> APIRouter:
    """The route /static/NAME for a page's own folder. Raises UserError where htmx is not installed."""
    folders = (Path(__file__).parent / "static", folder)
    files = {file.name: file.read_bytes() for each in folders for file in each.iterdir() if file.suffix in _TYPES}
    files["htmx.js"] = _htmx().read_bytes()
    router = APIRouter()

    @router.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        """Out of a fixed set that is in memory: no path is ever made of what was asked for."""
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=_TYPES[Path(name).suffix])

    return router


def _htmx() -> Path:
    spec = importlib.util.find_spec("django_htmx")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("The package django-htmx, which carries htmx, is missing: pip install prima-jax[serve].")
    return Path(next(iter(spec.submodule_search_locations)), "static", "django_htmx", "htmx-2.min.js")
