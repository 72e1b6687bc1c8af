"""Figures for those who watch from outside: Prometheus, node_exporter, traces; and what of them is worth an alert."""
