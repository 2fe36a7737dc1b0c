"""Models that answer: a batch at a time, or behind an HTTP interface.

model     a model's file, verified and loaded: labels and scores over named columns
"""
