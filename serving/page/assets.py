"""Scripts and styles of the page: ours, and those of npm that are kept here with version, licence and digest."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "assets"
MANIFEST = "manifest.json"
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

FOREVER = "public, max-age=31536000, immutable"
"""For an address that holds the digest of what it gives."""


class Asset(NamedTuple):
    """A file that pages load: its bytes, media type, and the beginning of its digest."""

    content: bytes
    kind: str
    version: str


def load_assets() -> dict[str, Asset]:
    """Return the files by name."""
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in KINDS:
            content = path.read_bytes()
            found[path.name] = Asset(content, KINDS[path.suffix], hashlib.sha256(content).hexdigest()[:16])
    return found


def manifest() -> list[dict[str, Any]]:
    """Return what is said of each file that others wrote: file, packages, versions, licence, sha256."""
    entries: list[dict[str, Any]] = json.loads((FOLDER / MANIFEST).read_text(encoding="utf-8"))
    return entries
