"""Sequence classifiers of a hub, from folders that the tests write themselves, with tokenizers of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.artifact import Metadata
from edgekit.conversion.torch_onnx import to_onnx
from edgekit.errors import ModelError
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.wordpiece import WordPiece
from edgekit.training.hubs import open_hub
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.training.tuning.pretrained import pretrained_network, teacher_card

transformers = pytest.importorskip("transformers")

LETTERS = "abcdefghijklmnopqrstuvwxyzé,.':()!0123456789我"
WORDS = ("good", "bad", "film", "Crème", "##ing")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS)
SENTENCES = ["a good film!", "Bad acting, bad film: 我 left (after 10 minutes)", ""]
TINY = {"vocab_size": len(VOCABULARY), "max_position_embeddings": 40, "num_labels": 3}
MODELS = {
    "bert": lambda: transformers.BertForSequenceClassification(
        transformers.BertConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, **TINY
        )
    ),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(dim=32, n_layers=1, n_heads=2, hidden_dim=64, **TINY)
    ),
}


def saved(folder: Path, kind: str = "bert", *, cased: bool = False) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = MODELS[kind]().eval()
    model.save_pretrained(folder)  # type: ignore[operator]
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=not cased)
    tokenizer.save_pretrained(folder)
    return model


def answers_of(model: nn.Module, folder: Path) -> torch.Tensor:
    """What transformers makes of the sentences, with the folder's own tokenizer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits: torch.Tensor = model(**tokenizer(SENTENCES, return_tensors="pt", padding=True)).logits
    return logits


@pytest.mark.parametrize("cased", [False, True])
@pytest.mark.parametrize("kind", MODELS)
def test_a_folder_of_save_pretrained_answers_as_in_transformers(kind: str, cased: bool, tmp_path: Path) -> None:
    model = saved(tmp_path / "mine", kind, cased=cased)
    found = open_hub(f"hf:{tmp_path}/mine")
    assert found.contract == TextContract(40, WordPiece(VOCABULARY, cased))
    network, missing = found.network()
    assert not missing
    with torch.inference_mode():
        logits = network(torch.from_numpy(found.contract.real(SENTENCES)))
    torch.testing.assert_close(logits, answers_of(model, tmp_path / "mine"), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_it_gets_a_new_head_on_its_features_and_exports(kind: str, tmp_path: Path) -> None:
    import onnxruntime

    saved(tmp_path, kind)
    card = teacher_card(f"hf:{tmp_path}")
    network = pretrained_network(card, 7)
    ids = card.contract.real(SENTENCES[:1])
    with torch.inference_mode():
        features = network.get_submodule("features")(torch.from_numpy(ids))
        logits = network(torch.from_numpy(ids))
        torch.testing.assert_close(network.get_submodule("head")(features), logits)
    assert logits.shape == (1, 7)
    model = to_onnx(network, card.contract, Metadata(card.contract))
    (exported,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {model.graph.input[0].name: ids})
    torch.testing.assert_close(torch.from_numpy(exported), logits, atol=1e-4, rtol=1e-4)


def test_a_folder_teaches(tmp_path: Path) -> None:
    import numpy as np

    model = saved(tmp_path)
    teacher = open_teacher(TeacherOptions(f"hf:{tmp_path}"), (8,))
    answers = teacher.answer(np.array(SENTENCES))
    torch.testing.assert_close(torch.from_numpy(answers), answers_of(model, tmp_path), atol=1e-4, rtol=1e-4)


def test_words_cut_otherwise_are_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    saved(tmp_path)
    ids = {piece: number for number, piece in enumerate(VOCABULARY)}
    whole_words = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    whole_words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=whole_words).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="cuts sentences otherwise than BERT's WordPiece"):
        open_hub(f"hf:{tmp_path}")
