"""From the broker's bytes to checked reading batches: session, journal, wire formats, device clocks."""
