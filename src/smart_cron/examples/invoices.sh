#!/bin/sh
# Sends invoices through a mail server that is busy at first: the first attempt of each slot fails, the next succeeds.
attempt=${SMART_CRON_ATTEMPT:-1}
echo "attempt $attempt: connecting to the mail server"
if [ "$attempt" -lt 2 ]; then
    echo "421 too many connections, try again later" >&2
    exit 75
fi
echo "3 invoices sent"
