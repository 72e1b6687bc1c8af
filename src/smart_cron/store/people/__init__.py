"""Who may log in: users and API keys. An application of its own, since only what listens needs Django's login.

What listens brings these tables, and those of sessions, second factors and lockouts, up to date by itself.
"""
