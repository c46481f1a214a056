"""What tests of the console share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from app.console import accounts
from app.embedding import load_embedder
from reid_model.embedder import Embedder
from tests.app.console.scene import Served, make_gallery, served, settings


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashes that are quick to make: their strength has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        accounts._of_nobody.cache_clear()
        yield


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return load_embedder(settings().embedder)


@pytest.fixture(scope="session")
def scene(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("scene") / "gallery.db", embedder)


@pytest.fixture
def gallery_file(scene: Path, tmp_path: Path) -> Path:
    """A copy of the scene's gallery."""
    return Path(shutil.copy(scene, tmp_path / "gallery.db"))


@pytest.fixture
def here(gallery_file: Path, embedder: Embedder) -> Iterator[Served]:
    """A console with a gallery of its own."""
    with served(gallery_file, embedder) as made:
        yield made


@pytest.fixture(scope="module")
def shared_here(scene: Path, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console that a file's tests share: for those that change nothing that others look at."""
    path = Path(shutil.copy(scene, tmp_path_factory.mktemp("shared") / "gallery.db"))
    with served(path, embedder, "console.searches_a_minute=10000", "console.logins_a_minute=1000") as made:
        yield made
