"""Where the development data are, if they are here at all. None of their rows is part of the project."""

from __future__ import annotations

import os
from pathlib import Path

from darkmarket_estimates.published.recipe import Unavailable


def data_file(name: str) -> Path:
    """Return a file of the data folder: ``$DARKMARKET_DATA``, else ``../shared/data`` beside the checkout.

    Raises
    ------
    Unavailable
        The file is not there; a reproduction then says "inputs unpublished", with this message.
    """
    folder = os.environ.get("DARKMARKET_DATA")
    root = Path(folder) if folder else Path(__file__).resolve().parents[2].parent / "shared" / "data"
    path = root / name
    if not path.is_file():
        raise Unavailable(f"{name} is not at hand: set DARKMARKET_DATA to the folder that holds it")
    return path
