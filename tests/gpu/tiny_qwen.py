"""Qwen-Image-Edit as it is, but a million times smaller and untrained.

Every part is built in memory, the tokenizer from a vocabulary of single bytes, so that nothing
is fetched. The same call gives the same weights.
"""

from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageTransformer2DModel,
)
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHANNELS = 4
SIDE = 16


class _Processor(Qwen2VLProcessor):  # type: ignore[misc]
    """Without the part for videos, which would need torchvision."""

    def check_argument_for_proper_class(self, _name: str, argument: Any) -> Any:
        return type(argument)


def build(kind: type[Any]) -> Any:
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    pipeline = kind(
        transformer=_transformer(),
        vae=_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=_processor(tokenizer),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _tokenizer() -> Any:
    vocabulary = {sign: place for place, sign in enumerate(sorted(bytes_to_unicode().values()))}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens(
        {
            "additional_special_tokens": list(SPECIAL[1:]),
            "eos_token": SPECIAL[0],
            "pad_token": SPECIAL[0],
        }
    )
    return tokenizer


def _processor(tokenizer: Any) -> Any:
    _Processor.__name__ = "Qwen2VLProcessor"  # the pipeline goes by the name
    images = Qwen2VLImageProcessor(min_pixels=28 * 28 * 4, max_pixels=28 * 28 * 64)
    return _Processor(image_processor=images, tokenizer=tokenizer, video_processor=None)


def _text_encoder(tokenizer: Any) -> Any:
    names = ("image", "video", "vision_start", "vision_end", "vision")
    signs = ("image_pad", "video_pad", "vision_start", "vision_end", "vision_pad")
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{sign}|>")
        for name, sign in zip(names, signs, strict=True)
    }
    text = {
        "hidden_size": SIDE,
        "intermediate_size": SIDE,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
        "rope_theta": 1e6,
    }
    vision = {
        "depth": 2,
        "hidden_size": SIDE,
        "intermediate_size": SIDE,
        "num_heads": 2,
        "out_hidden_size": SIDE,
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        hidden_size=SIDE,
        vocab_size=len(tokenizer),
        **ids,
    )
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def _transformer() -> Any:
    return QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=CHANNELS * 4,
        out_channels=CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=SIDE,
        guidance_embeds=False,
        axes_dims_rope=(8, 4, 4),
    )


def _vae() -> Any:
    return AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=CHANNELS,
        dim_mult=[1, 1, 1, 1],  # eight pixels to a latent, as the real one has it
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * CHANNELS,
        latents_std=[1.0] * CHANNELS,
    )
