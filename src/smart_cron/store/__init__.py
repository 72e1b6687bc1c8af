"""The only room that speaks SQL: tables, hot statements, reads, and the differences between four databases.

It implements the ports of `smart_cron.core.ports` and imports nothing of ours but `core`; engine and services meet it
through those ports only, so no row, model or cursor leaves it. Django gives connections and migrations; what runs
thousands of times an hour is SQL of ours on its cursor, one set-based statement for a whole batch, since its ORM
cost four to ten times as much there. How it hangs together:

- `gateway.open_store(url)` configures the process and returns a `Store` with one object a port;
- `session.Session` owns the connection: transactions, error translation, the connection's end;
- `dialects` is the whole difference between SQLite, MariaDB/MySQL and PostgreSQL;
- `bulk` writes many rows by one statement;
- `plans`, `claims`, `records`, `tasks`, `history` are the ports, `releases` what they share;
- `public` is what else people meet in the database: views, routines, an event, made anew after every migration;
- `models` and `migrations` say what the tables are. Rows have no behaviour.

Locks are taken tasks first, then executions, both in id order: InnoDB ends one of two transactions that do otherwise.
Only `lock_waiting` locks executions alone, skipping what is locked.
"""
