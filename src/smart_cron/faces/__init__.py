"""The faces: what people see. The command line is here; web pages and the API will stand beside it.

A face may import everything below it, and nothing imports a face. It decides nothing about slots, runs or rows:
it reads what people ask for, hands values to the rooms, and puts the answer into words.
"""
