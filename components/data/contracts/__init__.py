"""What must hold of each table that leaves a data step, as plain rules; `validate` has them judged.

A table is laid out flat: its own columns, and a column of True/False named by a sentence for what no single column
shows (the sentence is what a failure prints).
"""
