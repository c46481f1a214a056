"""What a search shows as files: the picture of each match, and clips cut from the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.clips import cut_clips
from app.files import prepare_folder, write_bytes
from app.gallery import Gallery
from app.search import Match

NO_PICTURE = "no picture: it was stored with gallery.crops: false"


def save_shown(
    gallery: Gallery, matches: Sequence[Match], rows: Sequence[dict[str, object]], folder: Path, clips: int
) -> None:
    """Writes pictures and clips, and says in the rows where they are, or why there is none.

    Clips are cut for the nearest matches that count as the person.

    Args:
        gallery: What was searched.
        matches: What was found.
        rows: Its plain values, to which `picture`, `clip` and `note` are added; `passes` is there.
        folder: Where `<rank>.jpg` and `<rank>.mp4` go.
        clips: Most clips.

    Raises:
        InputError: If a file cannot be written.
    """
    if not matches:
        return
    prepare_folder(folder)
    wanted = [place for place, row in enumerate(rows) if row["passes"] is not False][:clips]
    paths = [folder / f"{matches[place].rank:02d}.mp4" for place in wanted]
    reasons = dict(zip(wanted, cut_clips(gallery, [matches[place] for place in wanted], paths), strict=True))
    for place, (match, row) in enumerate(zip(matches, rows, strict=True)):
        picture = folder / f"{match.rank:02d}.jpg"
        if match.crop is not None:
            write_bytes(picture, match.crop)
        clip = reasons.get(place)
        row["picture"] = "" if match.crop is None else str(picture)
        row["clip"] = str(picture.with_suffix(".mp4")) if clip == "" else ""
        row["note"] = "; ".join(filter(None, [NO_PICTURE if match.crop is None else "", clip or ""]))
