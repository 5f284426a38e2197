"""Everything that measures, with the made-up people it measures on."""
