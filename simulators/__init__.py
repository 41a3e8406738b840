"""Seeded physics of equipment, faults with known truth, and their publisher."""
