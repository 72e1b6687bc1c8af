"""What a run printed, for whoever reads it in pieces: from its end, from a line, onward while it grows, by a word.

Nothing is ever held whole: an output is its files, and an index of places in them. Imports the task runner's format
and core; knows neither pages nor commands.
"""
