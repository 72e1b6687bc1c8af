"""What listens: one ASGI application on Django, served by uvicorn in `smart-cron dashboard`.

Everything is denied unless a view allows it. A request passes the gate (sizes, times, headers that hold for every
answer), then Django's URLs, then a view; views are coroutines that leave whatever may take long (the database) to the
threads of a desk, so that a slow database or a slow client holds up nobody else. This room may import wiring, store
and services; nothing imports it but the command that serves it, and late, since Django is heavy.
"""
