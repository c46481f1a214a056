"""The audit log, for an admin."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.console import audit
from app.console.access import Admin, Shared
from app.console.models import Audit, AuditOut
from app.contact_sheet import format_time

router = APIRouter(prefix="/api/audit", tags=["audit"])

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""


@router.get("")
def show_audit(
    _caller: Admin,
    console: Shared,
    before: Annotated[int | None, Query(ge=0, le=2**53 - 1, description="Entries with a lower number only.")] = None,
    who: Annotated[str | None, Query(max_length=64)] = None,
    action: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Audit:
    """The audit log, the latest entries first."""
    found = audit.latest(console.gallery, limit + 1, before=before, who=who, action=action)
    return Audit(entries=[AuditOut(**asdict(entry)) for entry in found[:limit]], more=len(found) > limit)


FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/x-ndjson": {}}}}


@router.get("/export", response_class=StreamingResponse, responses=FILE)
def export_audit(caller: Admin, console: Shared, kind: Literal["csv", "jsonl"] = "csv") -> StreamingResponse:
    """The whole audit log as a file; that enters it, too."""
    console.gallery.audit("export", {"what": "audit log", "kind": kind}, who=caller.user.name)
    entries = audit.everything(console.gallery)
    lines = _csv(entries) if kind == "csv" else (json.dumps(asdict(entry)) + "\n" for entry in entries)
    media = "text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson"
    return StreamingResponse(
        lines, media_type=media, headers={"content-disposition": f'attachment; filename="audit.{kind}"'}
    )


def _csv(entries: Iterator[audit.Entry]) -> Iterator[str]:
    yield csv_line(["id", "time", "when", "who", "action", "details"])
    for entry in entries:
        yield csv_line(
            [entry.id, entry.time, format_time(entry.time), entry.who, entry.action, json.dumps(entry.details)]
        )


def csv_line(values: list[object]) -> str:
    """A line of CSV in which no text can be a formula."""
    text = io.StringIO()
    safe = [f"'{each}" if isinstance(each, str) and each.startswith(DANGEROUS) else each for each in values]
    csv.writer(text, lineterminator="\n").writerow(safe)
    return text.getvalue()
