"""Plain servers of the same weights, as their documentation would have one write them.

Each runs in an environment of its own, .peers/NAME, which scripts/peers makes of NAME.txt here;
so these files import neither docsort nor each other, but for plain_model.py beside them.
"""
