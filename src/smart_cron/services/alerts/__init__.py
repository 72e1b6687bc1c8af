"""Telling people: which alerts become letters (`courier`), to whom (`routing`), when and how many in one (`folding`,
`quiet_hours`), how they leave (`sender`), and what is told while the database is away (`outage`).

Two steps with a table between them: what is to be told is decided and put into the outbox in one transaction; a sender
for each channel takes it from there. So nothing that was decided is lost, and a slow server delays no other's letters.
"""
