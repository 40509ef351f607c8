"""Reports of ingests as they are stored in the queue, and several of them as one."""

from __future__ import annotations

import json
from collections import Counter

from ingest.pipeline import IngestReport
from ingest.readers.files import Rejected

MOST_REJECTIONS = 500  # named in the report of an ingest; the rest are only counted
_COUNTED = ("read", "kept", "updated", "unchanged", "withdrawn", "passages", "embedded")


def written(report: IngestReport) -> str:
    """The report in JSON, as `read_report` takes it."""
    return json.dumps(report.as_dict())


def read_report(text: str) -> IngestReport:
    """The report that `written` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    data = json.loads(text)
    counted = {name: int(data[name]) for name in _COUNTED}
    rejections = [
        Rejected(**{key: str(one[key]) for key in ("source", "reason", "message")}) for one in data["rejections"]
    ]
    return IngestReport(**counted, rejected=Counter(data["rejected"]), rejections=rejections, seconds=data["seconds"])


def add(report: IngestReport, other: IngestReport) -> None:
    """Adds to a report what another one counts, but for its seconds."""
    for name in _COUNTED:
        setattr(report, name, getattr(report, name) + getattr(other, name))
    report.rejected += other.rejected
    report.rejections += other.rejections[: max(0, MOST_REJECTIONS - len(report.rejections))]
