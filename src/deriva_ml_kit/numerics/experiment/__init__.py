"""What an A/B test computes of its rows.

integrity  whether they can be judged at all: assignment, sample ratio, units in two arms
effects    how a metric differs between two arms, with its variance; the unit of analysis is that of assignment
"""
