"""Ways out: one file a channel, and the guard that bounds where messages may go.

Channels get plain values and messages, never settings, the store or the clock of the engine. Each `send` is bounded in
time as a whole, whatever the other side does; each error is a DeliveryError that says whether trying again is of use,
and shows neither a secret nor what a target's page said.
"""
