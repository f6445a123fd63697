"""Image classifiers and sequence classifiers of transformers; which of them a folder holds, its tokenizer tells."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.error import InputError
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.wordpiece import WordPiece

TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
LENGTH = 128
"""Ids of a sentence, where the model knows so many positions."""
SAMPLE = "Crème brûlée isn't UNAFFABLE: 我 ate 3,000 (of them)!"
"""Cut alike by ours and by the model's own, tokenizers are the same."""


def repository(name: str) -> str:
    """The hub's own name of a model."""
    return name


def contract(folder: Path) -> InputContract | TextContract:
    """What the model's image processor makes of a picture, or its tokenizer of a sentence.

    Raises:
        ModelError: nothing says what it makes, or it makes something else.
    """
    return _of_sentences(folder) if _takes_sentences(folder) else _of_pictures(folder)


def _takes_sentences(folder: Path) -> bool:
    is_of_pictures = (folder / "preprocessor_config.json").is_file()
    return not is_of_pictures and any((folder / name).is_file() for name in TOKENIZERS)


def _of_sentences(folder: Path) -> TextContract:
    """The tokenizer's vocabulary, if WordPiece makes the same of it."""
    tokenizer = _quiet("AutoTokenizer").from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    ids = tokenizer(SAMPLE)["input_ids"]
    vocabulary = tuple(sorted(known := tokenizer.get_vocab(), key=known.__getitem__))
    positions = getattr(_config(folder), "max_position_embeddings", LENGTH)
    for cased in (False, True):
        with suppress(InputError):  # special pieces that are not BERT's
            found = WordPiece(vocabulary, cased)
            if found.encode([SAMPLE], len(ids))[0].tolist() == ids:
                return TextContract(min(LENGTH, positions), found)
    raise ModelError(f"{folder} cuts sentences otherwise than BERT's WordPiece does; name a model that cuts them so.")


def _of_pictures(folder: Path) -> InputContract:
    """The centre of a picture, resized and normalised."""
    if not (folder / "preprocessor_config.json").is_file():
        raise ModelError(f"{folder} has no preprocessor_config.json; save the model's image processor there too.")
    processor = _quiet("AutoImageProcessor").from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if getattr(processor, "do_flip_channel_order", False):
        raise ModelError(f"{folder} takes blue before red, which no app of EdgeKit's does; name another model.")
    cropped = getattr(processor, "do_center_crop", None) and processor.crop_size
    size = cropped or processor.size
    height, width = (getattr(size, side) or size.shortest_edge for side in ("height", "width"))
    # Its real input is ((pixel · factor - offset) - mean) / std, ours ((pixel / 255) - mean) / std.
    factor = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    means, deviations = (processor.image_mean, processor.image_std) if processor.do_normalize else ((0.0,), (1.0,))
    mean = tuple((offset + value) / factor for value in means)
    return InputContract(height, width, 3, mean, tuple(value / factor for value in deviations))


def labels(folder: Path) -> tuple[str, ...]:
    """The names of its classes; none where they are the numbers that transformers makes up."""
    config = _config(folder)
    found = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    return () if all(name == f"LABEL_{index}" for index, name in enumerate(found)) else found


def network(folder: Path) -> tuple[Any, list[str]]:
    """The network, and the names of its parameters that the file has no weights for."""
    import torch
    from torch import Tensor, nn

    from edgekit.zoo.blocks import PADDING, without_padding

    takes_sentences = _takes_sentences(folder)

    class Logits(nn.Module):
        """One tensor, of all that a model of transformers answers."""

        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: Tensor) -> Tensor:
            """Logits [N, classes] of real inputs [N, C, H, W], or of ids [N, L]."""
            logits: Tensor
            if takes_sentences:
                ids = without_padding(inputs)
                logits = self.model(input_ids=ids, attention_mask=ids != PADDING).logits
            else:
                logits = self.model(pixel_values=inputs).logits
            return logits

    kind = "AutoModelForSequenceClassification" if takes_sentences else "AutoModelForImageClassification"
    model, report = _quiet(kind).from_pretrained(
        folder,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
        attn_implementation="eager",  # which exports as products and a softmax, without a question for NaN
        output_loading_info=True,
    )
    return Logits(model), [f"model.{name}" for name in report["missing_keys"]]


def _config(folder: Path) -> Any:
    return _quiet("AutoConfig").from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _quiet(name: str) -> Any:
    """A class of transformers, which then tells nothing beside our own lines."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return getattr(transformers, name)
