#!/bin/sh
# Takes the warehouse's stock levels over into the shop's list; with PHP where it is installed, else with awk.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
warehouse="$WORK/warehouse.csv"
shop="$WORK/stock.csv"
mkdir -p "$WORK"
[ -e "$warehouse" ] || printf 'tea,12\ncoffee,0\nhoney,7\nbread,31\n' >"$warehouse"

if command -v php >/dev/null 2>&1; then
    exec php "$here/stock-sync.php" "$warehouse" "$shop"
fi
sort "$warehouse" >"$shop.part"
awk -F, '$2 == 0 { print "out of stock: " $1 }' "$shop.part" >&2
mv "$shop.part" "$shop"
echo "$(wc -l <"$shop") stock levels synchronised by the shell"
