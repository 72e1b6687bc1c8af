"""What people and their programs meet in the database besides the tables: views, routines and an event.

Each module is a `Part` of `store.derived`, made anew after every migration. They read and write nothing that a person
with the same account could not: views and routines run with the rights of whoever uses them.
"""
