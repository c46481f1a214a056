"""Following a person: a search that is stored, and the events that it raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.config import GalleryConfig
from app.errors import InputError
from app.gallery import Gallery, following
from app.gallery.following import Follow
from app.gallery.store import SECONDS_A_DAY
from app.gallery.writing import account, enter_audit
from app.search import prior_of
from reid_model.calibration import Calibration
from reid_model.features import Features

Result = dict[str, object]


def store_follow(
    gallery: Gallery,
    name: str,
    query: Features,
    *,
    calibration: Calibration | None,
    config: GalleryConfig,
    origin: Mapping[str, object],
    cameras: Sequence[str] | None = None,
    who: str | None = None,
) -> int:
    """Stores a search, so that it raises an event when the person is written to the gallery again.

    Args:
        gallery: Open for writing; it must hold sightings.
        name: What it is to be called.
        query: One or more crops of the person.
        calibration: What distances mean; the bar is a probability.
        config: The bar, and how long features are kept.
        origin: Where the query comes from, for the audit log.
        cameras: Names of the cameras to look at; None for all.
        who: User name; None for the account that the program runs under.

    Returns:
        Its number.

    Raises:
        InputError: If the weights do not say what their distances mean, or the gallery is empty.
    """
    if calibration is None:
        raise InputError("follow: these weights have no calibration, so nobody can be told from others; use others")
    if gallery.dimensions() is None:
        raise InputError(f"{gallery.path}: holds no sighting yet, so there is nothing to follow; search when it does")
    now = gallery.now()
    follow = Follow(
        id=0,
        name=name,
        who=who or account(),
        stored=now,
        expires=now + config.retention_days * SECONDS_A_DAY,
        origin=dict(origin),
        cameras=None if cameras is None else tuple(cameras),
        method=calibration.matching,
        calibration=calibration,
        prior=prior_of(gallery.people()),
        bar=config.match_probability,
        query=query,
    )
    with gallery.writing() as connection:
        number = following.insert_follow(connection, follow)
        enter_audit(connection, now, "follow", {"follow": number, "origin": follow.origin}, follow.who)
    return number


def end_follows(gallery: Gallery, numbers: Sequence[int], *, who: str | None = None) -> None:
    """Ends follows: their features and events are deleted.

    Raises:
        InputError: If there is none of a number.
    """
    if not numbers:
        return
    with gallery.writing() as connection:
        known = {follow.id for follow in following.follows(connection, gallery.now())}
        for number in numbers:
            if number not in known:
                raise InputError(f"follow {number}: not in {gallery.path}; `gallery follows` shows those there are")
        following.delete_follows(connection, numbers)
        enter_audit(connection, gallery.now(), "unfollow", {"follows": list(numbers)}, who)
    gallery.clean_up()


def list_follows(gallery: Gallery, after: int = 0) -> tuple[list[Result], list[Result]]:
    """The follows that have not ended, and the events with a number above `after`, as plain values."""
    with gallery.reading() as connection:
        running = [
            {
                "name": follow.name,
                "follow": follow.id,
                "who": follow.who,
                "bar": follow.bar,
                "cameras": ", ".join(follow.cameras) if follow.cameras is not None else "all",
                "stored": follow.stored,
                "expires": follow.expires,
            }
            for follow in following.follows(connection, gallery.now())
        ]
        return running, [event.as_row() for event in following.reappearances(connection, after)]
