"""The vocabulary: named moves of three styles as key poses.

A key pose names only what differs from standing. Angles in degrees. Limbs: (raise, forward): raise
0 hangs down, 90 is level, 180 points up; forward 0 is out to the side, 90 to the front, -90 to the
back. Trunk: lean (forward), side (to the left), twist (chest to the left against the pelvis), turn
(the whole body to the left, summed over a move), sink (share of leg length by which the body is
lowered is a result of bent legs and needs no entry), jump (metres), nod (head forward).
"""

from collections.abc import Mapping
from typing import Final

Value = float | tuple[float, float]
KeyPose = Mapping[str, Value]
# A move: beats until the key pose is reached, and the pose.
Move = tuple[tuple[float, KeyPose], ...]

STANDING: Final[dict[str, Value]] = {
    "l_upper_arm": (12, 20), "r_upper_arm": (12, 20),
    "l_forearm": (14, 60), "r_forearm": (14, 60),
    "l_thigh": (4, 20), "r_thigh": (4, 20),
    "l_shin": (3, 0), "r_shin": (3, 0),
    "l_foot": (72, 70), "r_foot": (72, 70),
    "lean": 0, "side": 0, "twist": 0, "turn": 0, "jump": 0, "nod": 0,
}  # fmt: skip

# Arms of ballet: first (round before the body), second (to the sides), fifth (overhead).
_FIRST: Final[dict[str, Value]] = {
    "l_upper_arm": (42, 62), "r_upper_arm": (42, 62),
    "l_forearm": (62, 140), "r_forearm": (62, 140),
}  # fmt: skip
_SECOND: Final[dict[str, Value]] = {
    "l_upper_arm": (80, 18), "r_upper_arm": (80, 18), "l_forearm": (82, 42), "r_forearm": (82, 42),
}  # fmt: skip
_FIFTH: Final[dict[str, Value]] = {
    "l_upper_arm": (150, 30), "r_upper_arm": (150, 30),
    "l_forearm": (165, 190), "r_forearm": (165, 190),
}  # fmt: skip
_POINTED: Final[dict[str, Value]] = {"l_foot": (20, 70), "r_foot": (20, 70)}
_PLIE_LEGS: Final[dict[str, Value]] = {
    "l_thigh": (52, 18), "r_thigh": (52, 18), "l_shin": (36, 198), "r_shin": (36, 198),
    "l_foot": (76, 25), "r_foot": (76, 25),
}  # fmt: skip
_SOFT_KNEES: Final[dict[str, Value]] = {
    "l_thigh": (28, 75), "r_thigh": (28, 75), "l_shin": (22, -90), "r_shin": (22, -90),
}  # fmt: skip

BALLET: Final[dict[str, Move]] = {
    "plie": ((2, {**_PLIE_LEGS, **_SECOND}), (2, _FIRST)),
    "releve_port_de_bras": (
        (1.5, {**_FIRST, **_POINTED}),
        (1.5, {**_FIFTH, **_POINTED}),
        (1.5, {**_SECOND, **_POINTED}),
        (1, {}),
    ),
    "arabesque": (
        (1, _FIRST),
        (2, {
            "l_upper_arm": (95, 85), "r_upper_arm": (85, -15), "l_forearm": (95, 85),
            "r_forearm": (85, -15), "r_thigh": (82, -92), "r_shin": (86, -92),
            "r_foot": (88, -92), "lean": 22, "nod": -12,
        }),
        (1, {
            "l_upper_arm": (100, 85), "r_upper_arm": (88, -15), "l_forearm": (100, 85),
            "r_forearm": (88, -15), "r_thigh": (86, -92), "r_shin": (90, -92),
            "r_foot": (92, -92), "lean": 25, "nod": -12,
        }),
        (1.5, {}),
    ),
    "pirouette": (
        (1, {**_PLIE_LEGS, **_FIRST}),
        (0.8, {**_FIRST, "r_thigh": (62, 12), "r_shin": (48, 185), "r_foot": (25, 200),
               "l_foot": (20, 70), "turn": 360}),
        (0.8, {**_FIRST, "r_thigh": (62, 12), "r_shin": (48, 185), "r_foot": (25, 200),
               "l_foot": (20, 70), "turn": 720}),
        (1.2, {**_SECOND, "turn": 720}),
    ),
    "grand_battement": (
        (0.8, _SECOND),
        (0.7, {**_SECOND, "r_thigh": (112, 80), "r_shin": (112, 80), "r_foot": (112, 80)}),
        (0.8, _SECOND),
        (0.6, {}),
    ),
    "saute": (
        (0.7, {**_PLIE_LEGS, **_FIRST}),
        (0.4, {**_POINTED, **_FIRST, "jump": 0.28}),
        (0.5, {**_PLIE_LEGS, **_FIRST}),
        (0.4, {**_POINTED, **_SECOND, "jump": 0.30}),
        (0.8, {**_PLIE_LEGS, **_SECOND}),
        (0.8, {}),
    ),
    "developpe_side": (
        (1, {**_FIRST, "l_thigh": (60, 8), "l_shin": (50, 185), "l_foot": (25, 200)}),
        (1.6, {**_SECOND, "l_thigh": (100, 5), "l_shin": (100, 5), "l_foot": (100, 5),
               "side": -12}),
        (1.6, {**_SECOND}),
    ),
}  # fmt: skip

STREET: Final[dict[str, Move]] = {
    "bounce": (
        (0.5, {**_SOFT_KNEES, "l_forearm": (80, 95), "r_forearm": (80, 95), "nod": 15}),
        (0.5, {"l_forearm": (70, 95), "r_forearm": (70, 95)}),
        (0.5, {**_SOFT_KNEES, "l_forearm": (85, 80), "r_forearm": (85, 80), "nod": 15}),
        (0.5, {}),
    ),
    "arm_wave": (
        (0.5, {"l_upper_arm": (88, 0), "l_forearm": (70, 0)}),
        (0.5, {"l_upper_arm": (112, 0), "l_forearm": (70, 0), "r_upper_arm": (60, 0)}),
        (0.5, {"l_upper_arm": (92, 0), "l_forearm": (92, 0), "r_upper_arm": (112, 0),
               "r_forearm": (70, 0), "side": -6}),
        (0.5, {"l_upper_arm": (80, 0), "l_forearm": (95, 0), "r_upper_arm": (90, 0),
               "r_forearm": (118, 0), "side": 6}),
        (0.7, {}),
    ),
    "top_rock": (
        (0.5, {**_SOFT_KNEES, "r_thigh": (40, 130), "r_shin": (10, -90), "twist": 22,
               "l_upper_arm": (80, 10), "r_upper_arm": (80, 10),
               "l_forearm": (85, 30), "r_forearm": (85, 30)}),
        (0.5, {"l_upper_arm": (35, 80), "r_upper_arm": (35, 80),
               "l_forearm": (85, 150), "r_forearm": (85, 150)}),
        (0.5, {**_SOFT_KNEES, "l_thigh": (40, 130), "l_shin": (10, -90), "twist": -22,
               "l_upper_arm": (80, 10), "r_upper_arm": (80, 10),
               "l_forearm": (85, 30), "r_forearm": (85, 30)}),
        (0.5, {"l_upper_arm": (35, 80), "r_upper_arm": (35, 80),
               "l_forearm": (85, 150), "r_forearm": (85, 150)}),
    ),
    "body_roll": (
        (0.6, {"lean": -14, "nod": -20, **_SOFT_KNEES}),
        (0.5, {"lean": 16, "nod": 18, **_SOFT_KNEES, "l_upper_arm": (30, -60),
               "r_upper_arm": (30, -60)}),
        (0.5, {"lean": 4, "nod": 5, "l_thigh": (42, 75), "r_thigh": (42, 75),
               "l_shin": (34, -90), "r_shin": (34, -90)}),
        (0.6, {}),
    ),
    "kick_step": (
        (0.4, {"r_thigh": (62, 88), "r_shin": (20, 88), "l_upper_arm": (45, 80),
               "l_forearm": (100, 95)}),
        (0.3, {"r_thigh": (68, 88), "r_shin": (66, 88), "l_upper_arm": (60, 85),
               "l_forearm": (110, 95)}),
        (0.4, {**_SOFT_KNEES}),
        (0.4, {"l_thigh": (62, 88), "l_shin": (20, 88), "r_upper_arm": (45, 80),
               "r_forearm": (100, 95)}),
        (0.3, {"l_thigh": (68, 88), "l_shin": (66, 88), "r_upper_arm": (60, 85),
               "r_forearm": (110, 95)}),
        (0.4, {**_SOFT_KNEES}),
    ),
    "running_man": (
        (0.35, {"r_thigh": (78, 88), "r_shin": (8, -90), "l_upper_arm": (42, 85),
                "r_upper_arm": (30, -80), "l_forearm": (105, 95), "r_forearm": (60, 95),
                "jump": 0.05}),
        (0.35, {"r_thigh": (28, 85), "r_shin": (10, -88), "l_thigh": (24, -88),
                "l_shin": (42, -88), "l_upper_arm": (20, -80), "r_upper_arm": (35, 85),
                "l_forearm": (60, 95), "r_forearm": (100, 95)}),
        (0.35, {"l_thigh": (78, 88), "l_shin": (8, -90), "r_upper_arm": (42, 85),
                "l_upper_arm": (30, -80), "r_forearm": (105, 95), "l_forearm": (60, 95),
                "jump": 0.05}),
        (0.35, {"l_thigh": (28, 85), "l_shin": (10, -88), "r_thigh": (24, -88),
                "r_shin": (42, -88), "r_upper_arm": (20, -80), "l_upper_arm": (35, 85),
                "r_forearm": (60, 95), "l_forearm": (100, 95)}),
    ),
    "freeze_pose": (
        (0.4, {"l_upper_arm": (135, 10), "l_forearm": (150, 10), "r_upper_arm": (50, 60),
               "r_forearm": (70, 150), "l_thigh": (35, 5), "l_shin": (5, 0), "side": 15,
               "twist": 20}),
        (0.8, {"l_upper_arm": (135, 10), "l_forearm": (150, 10), "r_upper_arm": (50, 60),
               "r_forearm": (70, 150), "l_thigh": (35, 5), "l_shin": (5, 0), "side": 16,
               "twist": 22}),
        (0.5, {}),
    ),
}  # fmt: skip

CONTEMPORARY: Final[dict[str, Move]] = {
    "contraction": (
        (1.2, {"lean": 34, "nod": 30, "l_upper_arm": (55, 85), "r_upper_arm": (55, 85),
               "l_forearm": (60, 120), "r_forearm": (60, 120), **_SOFT_KNEES}),
        (1.2, {"lean": -10, "nod": -18, "l_upper_arm": (100, -10), "r_upper_arm": (100, -10),
               "l_forearm": (105, 0), "r_forearm": (105, 0)}),
        (1, {}),
    ),
    "side_lunge": (
        (1.2, {"l_thigh": (58, 25), "l_shin": (8, 190), "r_thigh": (42, 0), "r_shin": (42, 0),
               "side": 20, "l_upper_arm": (60, 30), "r_upper_arm": (150, 10),
               "l_forearm": (60, 60), "r_forearm": (160, 170)}),
        (1, {"l_thigh": (60, 25), "l_shin": (10, 190), "r_thigh": (44, 0), "r_shin": (44, 0),
             "side": 28, "twist": 18, "r_upper_arm": (120, 60), "r_forearm": (110, 80)}),
        (1.2, {}),
    ),
    "spiral_turn": (
        (0.8, {"twist": -32, "l_upper_arm": (70, 80), "r_upper_arm": (70, -50),
               "l_forearm": (75, 120), "r_forearm": (75, -40), **_SOFT_KNEES}),
        (1.2, {"twist": 25, "l_upper_arm": (90, -20), "r_upper_arm": (90, 60),
               "l_forearm": (92, -10), "r_forearm": (92, 90), "turn": 200}),
        (0.9, {"turn": 360}),
    ),
    "leg_swing": (
        (0.8, {"l_thigh": (58, 85), "l_shin": (62, 85), "l_foot": (70, 85), "lean": -8,
               "r_upper_arm": (85, 70), "r_forearm": (88, 80), "l_upper_arm": (70, -30)}),
        (0.8, {"l_thigh": (50, -88), "l_shin": (64, -88), "l_foot": (85, -88), "lean": 30,
               "r_upper_arm": (60, -40), "l_upper_arm": (110, 80), "l_forearm": (115, 85)}),
        (0.9, {}),
    ),
    "fall_and_recovery": (
        (0.9, {"l_thigh": (72, 60), "r_thigh": (72, 60), "l_shin": (48, -100),
               "r_shin": (48, -100), "lean": 42, "nod": 20, "l_upper_arm": (45, 60),
               "r_upper_arm": (45, 60)}),
        (0.6, {"l_thigh": (76, 60), "r_thigh": (76, 60), "l_shin": (52, -100),
               "r_shin": (52, -100), "lean": 46, "nod": 25, "twist": 18,
               "l_upper_arm": (30, 60), "r_upper_arm": (80, 10)}),
        (1.2, {"l_upper_arm": (150, 20), "r_upper_arm": (150, 20), "l_forearm": (158, 30),
               "r_forearm": (158, 30), "lean": -8, "nod": -22}),
        (0.8, {}),
    ),
    "tilt": (
        (1.4, {"side": -38, "r_thigh": (78, 0), "r_shin": (80, 0), "r_foot": (82, 0),
               "l_upper_arm": (140, 0), "r_upper_arm": (40, 0), "l_forearm": (140, 0),
               "r_forearm": (40, 0)}),
        (0.8, {"side": -42, "r_thigh": (84, 0), "r_shin": (86, 0), "r_foot": (88, 0),
               "l_upper_arm": (145, 0), "r_upper_arm": (40, 0), "l_forearm": (145, 0),
               "r_forearm": (40, 0)}),
        (1.2, {}),
    ),
    "reach_and_leap": (
        (0.6, {**_SOFT_KNEES, "l_upper_arm": (30, -70), "r_upper_arm": (30, -70), "lean": 12}),
        (0.5, {"l_thigh": (62, 88), "l_shin": (58, 88), "r_thigh": (52, -90),
               "r_shin": (58, -90), "r_foot": (80, -90), "l_foot": (58, 88),
               "l_upper_arm": (100, 80), "r_upper_arm": (95, -10), "l_forearm": (104, 80),
               "r_forearm": (98, 0), "jump": 0.32}),
        (0.5, {**_SOFT_KNEES, "lean": 10}),
        (0.8, {}),
    ),
}  # fmt: skip

STYLES: Final[dict[str, dict[str, Move]]] = {
    "ballet": BALLET,
    "contemporary": CONTEMPORARY,
    "street": STREET,
}
