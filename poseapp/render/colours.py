"""The colours of joints, limbs and people, BGR."""

from __future__ import annotations

from poseapp.core.skeleton import Skeleton

Colour = tuple[int, int, int]

# BGR. Blue and orange stay apart for every common kind of colour blindness.
LEFT = (255, 190, 60)
RIGHT = (40, 140, 255)
MIDDLE = (245, 245, 245)
# Of people told apart: Okabe & Ito's colours (2008), which stay apart for every common kind of colour blindness, in
# an order in which neighbours differ most, and light grey in the place of their black.
IDENTITIES = (
    (233, 180, 86),  # sky blue
    (0, 159, 230),  # orange
    (115, 158, 0),  # bluish green
    (167, 121, 204),  # reddish purple
    (66, 228, 240),  # yellow
    (178, 114, 0),  # blue
    (0, 94, 213),  # vermilion
    (225, 225, 225),
)
OUTLINE = (24, 24, 24)
SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}


def joint_colour(skeleton: Skeleton, k: int) -> tuple[int, int, int]:
    """BGR colour of joint k: blue for the left side of the body, orange for the right, white between."""
    return SIDES[skeleton.side(k)]


def identity_colour(identity: int) -> tuple[int, int, int]:
    """BGR colour of a person told apart, the same wherever they are drawn."""
    return IDENTITIES[(identity - 1) % len(IDENTITIES)]
