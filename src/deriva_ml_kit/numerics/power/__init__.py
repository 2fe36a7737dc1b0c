"""How many units an experiment needs, and for how long.

units     sample sizes, power and detectable effects of rates and means (statsmodels, behind checks)
planning  what looks and clusters cost, and how many whole weeks the experiment takes
"""
