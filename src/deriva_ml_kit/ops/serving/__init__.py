"""Models that answer: a batch at a time, or behind an HTTP interface.

model      a model's file, verified and loaded: labels and scores over named columns
bundle     a folder with all that a model needs to answer; loaded, its golden records tried
schema     which records may be asked, by golden records and baseline
answering  rows in, answers out
queue      many requests, one call of the model
split      which arm a request goes to
shadow     a candidate that sees the traffic from a process of its own
log        the prediction log on disk
service    all of these together; knows no HTTP
metrics    counts
app, run   the HTTP interface, and its server
batch      predictions for a dataset version
"""
