"""What clients do, one file for each part of the API. `choose` draws one by its weight."""

from . import administration, bad, data, extensions, imports, lives, looks, metadefs
from .table import choose

__all__ = ["administration", "bad", "choose", "data", "extensions", "imports", "lives", "looks", "metadefs"]
