"""What integrators read and extend: how each protocol and the canonical model say the same.

The same file names stand in each protocol's folder; ``docs/mappings.md`` shows how to read a mapping, change a value
for one partner, add a field, add a protocol version.
"""
