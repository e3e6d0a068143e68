"""Looks at a partner's OCPI from outside and tells where it departs from the specification.

:mod:`bridge.probe.run` asks; what was seen becomes subjects (an answer, a page, an object, a trial), and each rule
(:mod:`bridge.probe.rules`) is a small function over one kind of subject. Rule numbers are those of ``docs/probe.md``.
"""
