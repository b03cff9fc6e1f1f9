"""Restore: mend what is damaged, calm the grain, even out light and tones, draw edges clean."""

import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import to_grey
from worker.engines.cpu.damage import find_damage
from worker.engines.cpu.detail import bring_out
from worker.engines.cpu.evenness import even_out
from worker.engines.cpu.faces import find_faces, nearness
from worker.engines.cpu.noise import estimate_noise, soften_grain
from worker.engines.cpu.repair import fill
from worker.engines.cpu.tone import correct_colour, correct_monochrome
from worker.engines.cpu.toning import measure_toning


def restore(photo: MatLike, *, seed: int) -> NDArray[np.uint8]:
    toning = measure_toning(photo)
    noise = estimate_noise(photo)
    faces = find_faces(to_grey(photo))
    mended = fill(photo, find_damage(photo, toning, faces), faces, noise=noise, seed=seed)
    near = nearness(faces, mended.shape)
    calm = soften_grain(mended, noise, near)
    correct = correct_monochrome if toning.monochrome else correct_colour
    return bring_out(correct(even_out(calm)), noise, near)
