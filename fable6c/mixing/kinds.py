"""The scout's sizes, and the tiers that look at more or less: fable6c/_scout_setup.c says at what."""

from fable6c import headers

_SIZES = headers.constants("scout")
DEPTHS, SETS, FINALS, BLOCK, MAX_TOKENS = (_SIZES[name] for name in "DEPTHS SETS FINALS BLOCK MAX_TOKENS".split())
TIERS = ("fast", "normal", "deep")
