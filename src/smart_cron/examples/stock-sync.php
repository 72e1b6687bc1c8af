<?php
// Takes the warehouse's stock levels over into the shop's list: what `stock-sync.sh` runs where PHP is installed.

[$script, $warehouse, $shop] = $argv;

$levels = [];
foreach (file($warehouse, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
    [$item, $count] = explode(',', $line);
    $levels[$item] = (int) $count;
}
ksort($levels);

$lines = [];
foreach ($levels as $item => $count) {
    $lines[] = "$item,$count";
    if ($count === 0) {
        fwrite(STDERR, "out of stock: $item\n");
    }
}
if (file_put_contents("$shop.part", implode("\n", $lines) . "\n") === false || !rename("$shop.part", $shop)) {
    fwrite(STDERR, "cannot write $shop\n");
    exit(1);
}
echo count($levels), " stock levels synchronised by PHP ", PHP_VERSION, "\n";
