"""BERT as transformers, an implementation of others, computes it; here a small one that was trained on nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.catalog import Architecture
from edgekit.errors import ModelError, UnknownNameError
from edgekit.training.tuning.finetune import paces
from edgekit.training.weights import load_weights
from edgekit.zoo import build
from edgekit.zoo.bert import Bert

SMALL = {"width": 32, "layers": 2, "heads": 4, "hidden": 64, "positions": 12}
IDS = torch.tensor([[2, 7, 8, 9, 3], [2, 49, 3, 0, 0]], dtype=torch.int32)


def small(**arguments: object) -> Bert:
    torch.manual_seed(0)
    network = build(Architecture("bert", {**SMALL, **arguments}), (5, 1, 50), 3).eval()
    assert isinstance(network, Bert)
    return network


def test_features_are_the_mean_of_what_transformers_computes(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 12,
    }
    torch.manual_seed(1)
    theirs = transformers.BertModel(transformers.BertConfig(**sizes)).eval()
    theirs.save_pretrained(tmp_path)
    is_piece = (IDS != 0).long()
    with torch.inference_mode():
        states = theirs(input_ids=IDS.long(), attention_mask=is_piece).last_hidden_state
        for pool, wanted in (
            ("mean", (states * is_piece[..., None]).sum(1) / is_piece.sum(1, keepdim=True)),
            ("first", states[:, 0]),
        ):
            network = small(pool=pool)
            load_weights(network.features, tmp_path / "model.safetensors", network.published)
            torch.testing.assert_close(network.features(IDS), wanted, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing() -> None:
    network = small()
    longer = torch.cat([IDS, torch.zeros(2, 7, dtype=torch.int32)], 1)
    torch.testing.assert_close(network(longer), network(IDS))


def test_each_layer_learns_more_slowly_than_the_one_above_and_embeddings_most_slowly() -> None:
    network = small()
    found = paces(network, network, 0.5)
    parts = ("head.weight", "features.2.wide.bias", "features.1.attention.key.weight", "features.0.words.weight")
    assert [found[name] for name in parts] == [1, 0.5, 0.25, 0.125]


def test_weights_that_lack_a_part_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"embeddings.word_embeddings.weight": torch.zeros(50, 32)}, tmp_path / "other.safetensors")
    network = small()
    with pytest.raises(ModelError, match=r"other\.safetensors does not fit the network Encoder: it lacks '0\."):
        load_weights(network.features, tmp_path / "other.safetensors", network.published)


def test_an_unknown_pool_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mean'"):
        small(pool="means")
