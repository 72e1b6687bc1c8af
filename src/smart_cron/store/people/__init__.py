"""Who may log in: users and API keys. An application of its own, since only what listens needs Django's login.

What listens brings these tables, and those of sessions, second factors and lockouts, up to date by itself. A new
column needs a default of the database, since backups of before lack it; a new table, a place in `core.backup.ACCOUNTS`.
"""
