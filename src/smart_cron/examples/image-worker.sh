#!/bin/sh
# Ends at once, but a helper of it goes on in a session of its own, as badly behaved jobs do.
setsid sleep 3600 </dev/null >/dev/null 2>&1 &
echo "5 thumbnails made"
