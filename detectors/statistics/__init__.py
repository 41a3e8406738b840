"""Statistical detectors: series that no longer behave like their own past, as advisories."""
