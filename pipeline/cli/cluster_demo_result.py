"""What came of a cluster demo: counted, and held against what the scenes have planted."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.app.stores import Stores
from pipeline.cli.cluster_demo_site import DemoSite
from pipeline.cli.demo_receiver import DemoReceiver
from pipeline.cli.demo_run import say_score
from pipeline.cli.demo_truth import planted_in, score
from pipeline.cli.output import counted, out
from pipeline.contracts.decision import Gate
from pipeline.contracts.incident import Incident, IncidentFilter

_MOST_INCIDENTS = 1000
_MARGIN = timedelta(hours=1)
"""Before and after the run, when its decisions are looked up: clips may last longer than the scenes."""


def conclude(
    site: DemoSite, stores: Stores, receiver: DemoReceiver, started_at: datetime, ingest_log: Path, lag: int
) -> bool:
    """Print the summary; whether all that was planted was found and told, and nothing else was."""
    incidents = stores.incidents.find(IncidentFilter(limit=_MOST_INCIDENTS))
    rules = Counter(incident.rule_id for incident in incidents)
    found = ", ".join(f"{number} {rule}" for rule, number in rules.most_common())
    published = _ingest_summary(ingest_log).get("frames_published", 0)
    out().print("\nSummary", style="bold")
    out().print(f"  frames      {published} published, {_num_sampled(site, stores, started_at)} looked at, {lag} to do")
    out().print(f"  incidents   {len(incidents)}{f': {found}' if found else ''}")
    is_delivered = _say_deliveries(stores, receiver, incidents)
    # Every scene is shown, also when an earlier one was not perfect.
    perfect = [_say_scene(site, camera, incidents, started_at) for camera in site.scenes]
    return all(perfect) and is_delivered and lag == 0


def _ingest_summary(log: Path) -> dict[str, Any]:
    """The last line of JSON that ingest printed; empty when it was stopped before."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith('{"type": "summary"')]
    return dict(json.loads(lines[-1])) if lines else {}


def _num_sampled(site: DemoSite, stores: Stores, started_at: datetime) -> int:
    """From the ledger: frames that passed the gate."""
    counts = [
        count
        for camera in site.cameras
        for count in stores.decisions.between(camera, started_at - _MARGIN, started_at + _MARGIN)
    ]
    return sum(count.count for count in counts if count.gate is Gate.SAMPLING and count.passed)


def _say_deliveries(stores: Stores, receiver: DemoReceiver, incidents: list[Incident]) -> bool:
    """Whether everything was told, genuinely, and of every incident something."""
    states, received = stores.outbox.counts(), receiver.received.values()
    genuine = sum(message.is_genuine for message in received)
    told = {message.body.get("subject") for message in received}
    untold = [incident for incident in incidents if incident.id not in told]
    owed = states.get("pending", 0) + states.get("dead", 0)
    out().print(
        f"  webhooks    {len(received)} received, {genuine} with a good signature; {owed} owed; "
        f"{counted(len(untold), 'incident')} untold"
    )
    return genuine == len(received) and not owed and not untold


def _say_scene(site: DemoSite, camera: str, incidents: list[Incident], started_at: datetime) -> bool:
    planted = planted_in(site.scenes[camera])
    seen = [(i.rule_id, (i.opened_at - started_at).total_seconds()) for i in incidents if i.camera_id == camera]
    result = score(planted, seen)
    say_score(camera, planted, result)
    return result.is_perfect
