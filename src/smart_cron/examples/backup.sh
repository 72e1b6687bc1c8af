#!/bin/sh
# Packs the shop's files and proves that the archive can be read before it is called a backup.
set -eu
shop="$WORK/shop"
target="$WORK/backups"
mkdir -p "$shop/images" "$target"
[ -e "$shop/orders.csv" ] || printf 'order,city,total\n1001,Auckland,129.90\n1002,Wellington,58.00\n' >"$shop/orders.csv"
for number in 1 2 3 4 5; do
    [ -e "$shop/images/$number.txt" ] || printf 'picture %s\n' "$number" >"$shop/images/$number.txt"
done

archive="$target/shop-$(date +%Y%m%d-%H%M%S)-$$.tar.gz"
tar -C "$WORK" -czf "$archive.part" shop
files=$(tar -tzf "$archive.part" | wc -l)
mv "$archive.part" "$archive"
echo "packed $files files into $archive ($(wc -c <"$archive") bytes)"

# Keep the newest five.
ls -1t "$target"/shop-*.tar.gz | tail -n +6 | while read -r old; do
    rm -f "$old"
    echo "removed $old"
done
