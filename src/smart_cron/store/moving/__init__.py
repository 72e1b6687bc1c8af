"""A database carried over to another one, row by row and in one form, whatever the two are.

Every table has a number `id`, is read by it in pages, and written in its order; so the highest `id` that the new
database holds is the position at which a move that was cut short goes on. In the middle a row is a list of plain
values (`canon`): its text in JSON is what both sides' checksums are made of.
"""
