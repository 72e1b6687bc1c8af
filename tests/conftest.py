"""What holds for every test."""

from __future__ import annotations

import signal

from tests.servers import Server

# Here servers die, and no machine does.
Server.outlives_the_machine = False

# Whoever starts us in the background of a shell without job control has SIGINT ignored, and every process that a test
# starts would inherit that: then no Ctrl-C could be tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
