r"""Taking all our tables out of a database as SQL text, and reading such a text back without trusting it.

A backup is text that the database's own client restores, so that nobody depends on us to come by their rows. We never
hand it to that client: a line of a dump may run a program (`\!`) or read a file (LOAD DATA LOCAL). What we read back
is taken apart by readers that know the few kinds of statements which dumps consist of, and refuse every other one with
its line. Of a statement they take the rows alone, as literals: tables are made by our own migrations, so no line of a
file is ever carried out.

- `dump_*` write, `reading_*` read, one a dialect; `source` chooses among them;
- `scratch_*` are places beside the live tables, into which a backup is restored to prove it; what has been proven
  there may take the live tables' place in one step;
- `book` keeps `smart_cron_backups`.
"""
