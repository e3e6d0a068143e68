"""The demonstration: sample data, and the play of bridge, partners and chargers as separate processes."""
