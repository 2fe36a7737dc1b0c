"""`ops-demo`: what comes after cycle zero, on its catalog and its digits.

texts     what is written into the project: criteria, edited templates, rules, plans
batches   batches of scans as they might come in, some of them changed
traffic   a server with two models, and requests to it
steps     the steps in their order
page      the page at the end
"""
