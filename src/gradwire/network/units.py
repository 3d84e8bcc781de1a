"""Rates and durations as people write them: "1gbit", "100mbit", "50us", "5ms"."""

import re

from ..errors import ConfigError

_RATES = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12}
_DURATIONS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]+?)(?:/s|ps)?\s*", re.IGNORECASE)


def rate_bps(text):
    """ "100mbit" → 1e8 bits per second, more than 0; units as tc has them."""
    return _parsed(text, "a rate such as 100mbit or 1gbit", _RATES, zero=False)


def rate_text(bps):
    """1e9 as "1gbit"; `rate_bps` reads it back."""
    unit, size = next(((unit, size) for unit, size in reversed(_RATES.items()) if bps >= size), ("bit", 1.0))
    return f"{bps / size:.10g}{unit}"


def duration_s(text):
    """ "50us" → 5e-5 seconds, 0 or more."""
    return _parsed(text, "a time such as 50us or 5ms", _DURATIONS, zero=True)


def _parsed(text, expected, units, zero):
    found = _NUMBER.fullmatch(text)
    unit = units.get(found[2].lower()) if found else None
    if unit is None or not (zero or float(found[1]) > 0):
        raise ConfigError(f"expected {expected}, got {text!r}; units: {', '.join(units)}")
    return float(found[1]) * unit
