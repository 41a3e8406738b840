"""Classes of cranes: use, load spectrum, group, and the design working period that they mean.

Sources: GB/T 3811-2008 and ISO 4301-1 of 1986, whose tables agree (V2); ISO 4301-1:2016 widened the
load classes (M); safety factor and assessment after ISO 12482:2014 (V), 80 % as advice (D).
"""

from collections.abc import Mapping

GB_T_3811_2008 = "GB/T 3811-2008"
ISO_4301_1_2016 = "ISO 4301-1:2016"

CYCLES_MAX: Mapping[str, float] = {
    "U0": 1.6e4,
    "U1": 3.2e4,
    "U2": 6.3e4,
    "U3": 1.25e5,
    "U4": 2.5e5,
    "U5": 5e5,
    "U6": 1e6,
    "U7": 2e6,
    "U8": 4e6,
}
"""Largest number of cycles of each use class; U9 has none."""

SPECTRUM_MAX: Mapping[str, Mapping[str, float]] = {
    GB_T_3811_2008: {"Q1": 0.125, "Q2": 0.25, "Q3": 0.5, "Q4": 1.0},
    ISO_4301_1_2016: {
        "Q0": 0.0313,
        "Q1": 0.0625,
        "Q2": 0.125,
        "Q3": 0.25,
        "Q4": 0.5,
        "Q5": 1.0,
    },
}
"""Largest K_p of each load class, by edition."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Q1": ("A1", "A1", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"),
    "Q2": ("A1", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A8"),
    "Q3": ("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A8", "A8"),
    "Q4": ("A2", "A3", "A4", "A5", "A6", "A7", "A8", "A8", "A8", "A8"),
}
"""Crane group by load class and use class U0 to U9 (GB/T 3811-2008)."""

SAFETY_FACTOR = 1.0
"""f1 of ISO 12482 for an automatic recorder."""

ADVISED_SHARE = 0.8
DUE_SHARE = 1.0
"""Shares of the design working period: tell the owner; special assessment due."""


def design_cycles(classification: str, edition: str = GB_T_3811_2008) -> float | None:
    """Cycles at full load of the design working period: K_p times C_T of the class.

    ``None`` when the classification is not one of the edition, or its use class has no limit.

    >>> design_cycles("Q1/U5")
    62500.0
    """
    load, _, use = classification.partition("/")
    limits = SPECTRUM_MAX[edition]
    return limits[load] * CYCLES_MAX[use] if load in limits and use in CYCLES_MAX else None


def load_class(spectrum_factor: float, edition: str = GB_T_3811_2008) -> str:
    """Smallest load class that a spectrum factor fits; the largest one beyond all.

    >>> load_class(0.2)
    'Q2'
    """
    limits = SPECTRUM_MAX[edition]
    fitting = (name for name, limit in limits.items() if spectrum_factor <= limit)
    return next(fitting, list(limits)[-1])


def group(classification: str) -> str:
    """Crane group of a classification of GB/T 3811-2008; empty when it is none.

    >>> group("Q2/U5")
    'A5'
    """
    load, _, use = classification.partition("/")
    uses = [*CYCLES_MAX, "U9"]
    return GROUPS[load][uses.index(use)] if load in GROUPS and use in uses else ""


def state(used_share: float | None) -> str:
    """``unknown``, ``normal``, ``advised`` or ``assessment_due`` by the share used."""
    if used_share is None:
        return "unknown"
    if used_share >= DUE_SHARE:
        return "assessment_due"
    return "advised" if used_share >= ADVISED_SHARE else "normal"
