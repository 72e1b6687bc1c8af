#!/bin/sh
# Fetches a supplier's price list from a server that never answers: without a timeout it would hang for an hour.
echo "asking the supplier for prices"
sleep 3600
echo "this line is never reached"
