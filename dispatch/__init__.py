"""From findings to work for people: incidents, their lifecycle, notifications."""
