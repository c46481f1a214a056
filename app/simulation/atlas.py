"""Where in a person's texture each part lies."""

from __future__ import annotations

from app.simulation.lofts import Region

SIZE = (512, 512)
"""Height and width of a person's texture in pixels."""

TORSO = Region(0, 0, 256, 192)
TAIL = Region(256, 0, 256, 192)
"""Skirt, or what hangs of a coat below the waist."""
TROUSER_LEG = Region(0, 192, 184, 160)
SLEEVE = Region(184, 192, 168, 160)
HEAD = Region(352, 192, 160, 160)
PELVIS = Region(0, 352, 160, 80)
BARE_LEG = Region(160, 352, 64, 80)
BARE_ARM = Region(224, 352, 48, 80)
HAND = Region(272, 352, 32, 80)
NECK = Region(304, 352, 48, 80)
HAIR = Region(352, 352, 80, 80)
HAT = Region(432, 352, 80, 80)
SHOE = Region(0, 432, 96, 80)
BAG = Region(96, 432, 128, 80)
UMBRELLA = Region(224, 432, 80, 80)
PUSH_CHAIR = Region(304, 432, 80, 80)
COLLAR = Region(384, 432, 64, 40)
BRIM = Region(384, 472, 64, 40)
DARK = Region(448, 432, 64, 40)
"""Wheels, tubes and handles."""
SKIN = Region(448, 472, 64, 40)
"""Ears and thumbs."""
