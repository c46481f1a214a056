"""A console over a recorded folder and a browser that is logged in to it, for what is measured and shown of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from app.errors import InputError

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "only for this benchmark"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Opened:
    """A console that runs, and a browser.

    Attributes:
        address: Of the console.
        browser: Without a page.
    """

    address: str
    browser: Browser

    def page(self, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
        """A page of a user who is logged in, on the wall."""
        page = self.browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=1,
        )
        page.goto(self.address)
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator(".tile").first.wait_for()
        return page


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Runs `run.py serve` over a folder and a browser beside it; the folder's gallery must have no users yet.

    Raises:
        InputError: If there is no browser.
    """
    if not CHROMIUM.exists():
        raise InputError(f"{CHROMIUM}: is missing; install it first, apt-get install chromium")
    words = [sys.executable, "run.py", "serve", "--gallery", str(folder), "--port", "0"]
    settings = ["--set", "console.logins_a_minute=1000", "--set", "console.searches_a_minute=10000"]
    process = subprocess.Popen([*words, *settings], cwd=ROOT, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        password, address = "", ""
        while not address:
            line = process.stdout.readline()
            if not line:
                raise InputError("serve: ended at once; its message is above")
            password = found[1] if (found := re.search(r"one-time password (\S+)", line)) else password
            address = found[1] if (found := re.search(r"console at (\S+);", line)) else ""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            _choose_password(browser.new_page(), address, password)
            yield Opened(address, browser)
            browser.close()
    finally:
        process.terminate()
        process.wait(30)


def _choose_password(page: Page, address: str, once: str) -> None:
    page.goto(address)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(once)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Old password").fill(once)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password, again").fill(PASSWORD)
    page.get_by_role("button", name="Change it").click()
    page.locator(".tile").first.wait_for()
    page.close()
