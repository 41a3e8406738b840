"""From the broker's bytes to checked batches: session, journal, wire formats, device clocks."""
