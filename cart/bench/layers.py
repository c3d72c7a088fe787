"""Layers of the drawn basket: a turned sprite with its shadow, an arm; and how they are blended in."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from cart.bench.pictures import Picture, Sprite

WIDTH: Final = 640
HEIGHT: Final = 480
SKINS: Final = ((138, 170, 224), (105, 140, 200), (70, 100, 150), (45, 65, 100))
SLEEVES: Final = ((90, 60, 50), (60, 60, 65), (50, 60, 150), (200, 200, 195), (60, 110, 70), None)
ARM_LENGTH: Final = 620
ARM_WIDTH: Final = 96


def paste(image: Picture, sprite: Sprite, x: float, y: float, turn: float, *, shadow: float) -> None:
    """Blend a turned sprite in at its centre (x, y), with its shadow below and to the right."""
    height, width = sprite.alpha.shape
    half = math.ceil(math.hypot(height, width) / 2) + 8
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    matrix = matrix + _shift(half - width / 2 + x - round(x), half - height / 2 + y - round(y))
    size = (2 * half, 2 * half)
    bgr = cv2.warpAffine(sprite.bgr, matrix, size)
    alpha = cv2.warpAffine(sprite.alpha, matrix, size)
    dark = cv2.GaussianBlur(np.roll(alpha, (6, 5), axis=(0, 1)), (0, 0), 4)
    _blend(image, np.zeros_like(bgr), (dark * shadow).astype(np.uint8), round(x) - half, round(y) - half)
    _blend(
        image, bgr.astype(np.uint8, copy=False), alpha.astype(np.uint8, copy=False), round(x) - half, round(y) - half
    )


def _shift(x: float, y: float) -> npt.NDArray[np.float64]:
    """What to add to an affine matrix so that it also shifts."""
    return np.array([[0, 0, x], [0, 0, y]], np.float64)


def _blend(image: Picture, bgr: Picture, alpha: Picture, left: int, top: int) -> None:
    """Blend into the part of `image` that the layer covers."""
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + alpha.shape[1], image.shape[1]), min(top + alpha.shape[0], image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = image[y0:y1, x0:x1]
    weight = cv2.merge([alpha[y0 - top : y1 - top, x0 - left : x1 - left]] * 3)
    over = cv2.multiply(bgr[y0 - top : y1 - top, x0 - left : x1 - left], weight, scale=1 / 255)
    cv2.add(cv2.multiply(part, 255 - weight, scale=1 / 255), over, dst=part)


def paste_arm(image: Picture, arm: Picture, x: float, y: float, angle: float) -> None:
    """Draw the arm with its fingertips at (x, y); at 0° it comes from the picture's lower edge."""
    matrix = cv2.getRotationMatrix2D((ARM_WIDTH / 2, 40), angle, 1.0)
    matrix = matrix + _shift(x - ARM_WIDTH / 2, y - 40)
    corners = cv2.transform(
        np.array([[[0, 0], [ARM_WIDTH, 0], [0, ARM_LENGTH], [ARM_WIDTH, ARM_LENGTH]]], np.float64), matrix
    )
    left, top = np.clip(corners[0].min(axis=0), 0, (WIDTH - 1, HEIGHT - 1)).astype(int)
    right, bottom = np.clip(corners[0].max(axis=0) + 1, 1, (WIDTH, HEIGHT)).astype(int)
    if right <= left or bottom <= top:
        return
    matrix = matrix + _shift(-left, -top)
    turned = cv2.warpAffine(arm, matrix, (int(right - left), int(bottom - top))).astype(np.uint8, copy=False)
    _blend(image, np.ascontiguousarray(turned[..., :3]), turned[..., 3], int(left), int(top))


def draw_arm(skin: tuple[int, int, int], sleeve: tuple[int, int, int] | None) -> Picture:
    """A hand with its forearm, fingers up: ARM_LENGTH × ARM_WIDTH × 4, the last its opacity."""
    mask = np.zeros((ARM_LENGTH, ARM_WIDTH), np.uint8)
    middle = ARM_WIDTH // 2
    for x, top in ((middle - 24, 26), (middle - 8, 14), (middle + 8, 12), (middle + 23, 24)):
        cv2.line(mask, (x, top), (x, 86), (255.0,), 14, cv2.LINE_AA)
    cv2.line(mask, (middle - 38, 64), (middle - 22, 104), (255.0,), 15, cv2.LINE_AA)
    cv2.ellipse(mask, (middle, 100), (33, 38), 0, 0, 360, (255.0,), -1, cv2.LINE_AA)
    forearm = np.array([[middle - 22, 110], [middle + 22, 110], [middle + 38, ARM_LENGTH], [middle - 38, ARM_LENGTH]])
    cv2.fillConvexPoly(mask, forearm.astype(np.int32), (255.0,), cv2.LINE_AA)
    colour = np.empty((ARM_LENGTH, ARM_WIDTH, 3), np.float32)
    colour[:] = skin
    if sleeve is not None:
        colour[190:] = sleeve
        colour[190:200] *= 0.8
        mask[190:] = cv2.dilate(mask[190:], np.ones((1, 11), np.uint8))
    deep = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    light = 0.6 + 0.4 * np.sqrt(np.clip(deep / 20, 0, 1))
    shaded = np.clip(colour * light[..., None], 0, 255).astype(np.uint8)
    return np.dstack([shaded, mask]).astype(np.uint8)
