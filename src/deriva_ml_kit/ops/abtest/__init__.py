"""A/B tests of models: registered before they start, looked at under the catalog's eyes, judged once.

documents    the plan, and what a look found
planning     from what is asked to a plan: sample size, looks, weeks
design       the plan as a design document
registering  the plan into the catalog
rows         the data of a look: units, arms, values
judging      from rows to a verdict; knows no catalog
looking      a look as an execution; earlier ones are counted by the catalog
pages        the page of a look
"""
