"""What changes on a page without a reload: its regions, rendered once for everybody who looks at the same, and sent.

A page names its regions and how they are rendered; whoever looks at it subscribes to a channel. The first subscriber
opens it, the last one closes it, so that what nobody looks at costs nothing. A channel renders at most once a second
and sends the regions that differ. Each event carries its number, so that a connection that was lost goes on where it
was.
"""
