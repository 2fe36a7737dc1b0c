"""Main line's surface, the calls that are bound to it, and a package that has just this surface."""
