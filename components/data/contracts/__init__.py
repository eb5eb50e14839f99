"""The contracts: what must hold of each table that a data step writes, as plain rules; `validate` checks them.

A table is laid out flat: its own columns, and a column of True/False named by a sentence for what no single column
shows. A failure prints that sentence.
"""
