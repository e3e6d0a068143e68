"""Operators whose own system speaks to us: their locations, tariffs, sessions and CDRs go on to our partners, commands go back.

An upstream operator feeds one or several of our operators, instead of our chargers or beside them. What it tells keeps its
origin: it passes agreements that name the origin, and never goes back to it.
"""
