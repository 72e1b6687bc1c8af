"""The way in: one database, and an object for each port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smart_cron.core import ports
from smart_cron.core.ports import health as ports_health
from smart_cron.core.ports import metrics as ports_metrics
from smart_cron.core.ports.alert_pages import AlertPages
from smart_cron.core.ports.alerts import AlertStore
from smart_cron.core.ports.audit import AuditStore, RevisionStore
from smart_cron.core.ports.backups import BackupBook, BackupSource
from smart_cron.core.ports.board import TaskBoard
from smart_cron.core.ports.cleanup import CleanupBook, CleanupStore, StatisticsStore
from smart_cron.core.ports.healing import HealingStore
from smart_cron.core.ports.outbox import OutboxStore, TellingStore
from smart_cron.core.ports.overview import OverviewStore
from smart_cron.core.ports.pings import PingStore
from smart_cron.core.ports.public import PublicStore
from smart_cron.core.ports.runs import RunReads
from smart_cron.store.setup import DEFAULT_TIMEOUT_SECONDS, configure

if TYPE_CHECKING:
    from smart_cron.store.session import Session


@dataclass(frozen=True, slots=True)
class Store:
    """One database by its ports. All share a connection a thread, and so a transaction."""

    database: ports.Database
    plans: ports.PlanStore
    claims: ports.ClaimStore
    records: ports.RecordStore
    tasks: ports.TaskStore
    board: TaskBoard
    history: ports.HistoryStore
    runs: RunReads
    ledger: ports.LedgerStore
    held: ports.HeldStore
    nodes: ports.NodeStore
    holds: ports.HoldStore
    restored: ports.RestoredStore
    incidents: ports.IncidentStore
    healing: HealingStore
    pings: PingStore
    health: ports_health.HealthStore
    health_facts: ports_health.HealthFacts
    figures: ports_metrics.FigureStore
    pasts: ports_metrics.PastStore
    rollups: ports_metrics.RollupStore
    samples: ports_metrics.SampleStore
    totals: ports_metrics.TotalStore
    traces: ports_metrics.TraceStore
    overview: OverviewStore
    tellings: TellingStore
    outbox: OutboxStore
    alerts: AlertStore
    alert_pages: AlertPages
    cleanup: CleanupStore
    cleanup_book: CleanupBook
    statistics: StatisticsStore
    audit: AuditStore
    revisions: RevisionStore
    public: PublicStore
    backups: BackupBook
    backup_source: BackupSource
    session: Session


def open_store(
    url: str, *, alias: str = "default", timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, **options: Any
) -> Store:
    """Return the store at *url*; nothing is connected to yet.

    *alias* tells several databases of one process apart; *options* go to Django's settings at the first call. Raise
    ConfigError for a URL that cannot be used; it shows no password.
    """
    configure(url, alias=alias, timeout_seconds=timeout_seconds, **options)
    return _assembled(alias, timeout_seconds)


def _assembled(alias: str, timeout_seconds: float) -> Store:
    # Models can be imported only once Django is configured.
    from smart_cron.store.alert_book import AlertBook
    from smart_cron.store.alert_pages import AlertReads
    from smart_cron.store.alerts import Alerts
    from smart_cron.store.audit_reads import AuditLog
    from smart_cron.store.backups.book import Backups
    from smart_cron.store.backups.source import Source
    from smart_cron.store.board import Board
    from smart_cron.store.claims import Claims
    from smart_cron.store.cleanup import Cleanup
    from smart_cron.store.cleanup_book import CleanupNotes
    from smart_cron.store.figures import FigureReads
    from smart_cron.store.healing import Healing
    from smart_cron.store.health import Facts, HealthChecks
    from smart_cron.store.held import HeldSlots
    from smart_cron.store.history import History
    from smart_cron.store.holds import Holds
    from smart_cron.store.incidents import Incidents
    from smart_cron.store.ledger import LedgerReads
    from smart_cron.store.nodes import Nodes
    from smart_cron.store.outbox import Outbox
    from smart_cron.store.overview import Overview
    from smart_cron.store.pings import Pings
    from smart_cron.store.plans import Plans
    from smart_cron.store.public.interface import PublicInterface
    from smart_cron.store.records import Records
    from smart_cron.store.releases import Releases
    from smart_cron.store.restored import Restored
    from smart_cron.store.revisions import Revisions
    from smart_cron.store.rollups import Rollups
    from smart_cron.store.run_search import RunSearch
    from smart_cron.store.samples import Pasts, Samples
    from smart_cron.store.session import Session
    from smart_cron.store.statistics import Statistics
    from smart_cron.store.tasks import Tasks
    from smart_cron.store.tellings import Tellings
    from smart_cron.store.totals import Totals
    from smart_cron.store.traces import Traces

    session = Session(alias, timeout_seconds=timeout_seconds)
    releases, audit = Releases(session), AuditLog(session)
    book = AlertBook(session, releases, audit)
    revisions = Revisions(session, audit)
    plans, outbox = Plans(session, releases, revisions), Outbox(session)
    records = Records(session, releases, Alerts(session), Rollups(session), outbox)
    return Store(
        database=session,
        plans=plans,
        claims=Claims(session, releases),
        records=records,
        healing=Healing(session, records, audit),
        tasks=Tasks(session, releases, plans=plans, audit=audit, alerts=Alerts(session), revisions=revisions),
        board=Board(session),
        history=History(session, releases, audit),
        runs=RunSearch(session),
        ledger=LedgerReads(session),
        held=HeldSlots(session, releases, audit),
        nodes=Nodes(session, releases, audit),
        holds=Holds(session, audit),
        restored=Restored(session, releases),
        incidents=Incidents(session, audit),
        health=HealthChecks(session),
        health_facts=Facts(session),
        pings=Pings(session, audit, book),
        figures=FigureReads(session, Samples(session)),
        pasts=Pasts(session),
        rollups=Rollups(session),
        samples=Samples(session),
        totals=Totals(session),
        traces=Traces(session),
        overview=Overview(session),
        tellings=Tellings(session),
        outbox=outbox,
        alerts=book,
        alert_pages=AlertReads(session),
        cleanup=Cleanup(session),
        cleanup_book=CleanupNotes(session, audit),
        statistics=Statistics(session),
        audit=audit,
        revisions=revisions,
        public=PublicInterface(session),
        backups=Backups(session),
        backup_source=Source(session, timeout_seconds=timeout_seconds),
        session=session,
    )
