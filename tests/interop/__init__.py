"""Interoperability with code that is not ours. Scripts: no test run collects them (docs/interop.md)."""
