"""Models of a hub, from folders and caches that the tests write themselves."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.artifact import Metadata
from edgekit.conversion.torch_onnx import to_onnx
from edgekit.errors import ModelError
from edgekit.inputs.contract import InputContract
from edgekit.training.hubs import hf, open_hub
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.training.tuning.pretrained import pretrained_network, teacher_card

transformers = pytest.importorskip("transformers")

TINY: dict[str, int] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
MODELS = {
    "resnet": lambda: transformers.ResNetForImageClassification(
        transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5
        )
    ),
    "mobilenet": lambda: transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(depth_multiplier=0.1, image_size=32, finegrained_output=False, num_labels=5)
    ),
    "vit": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**TINY, num_labels=5)),
    "two heads": lambda: transformers.DeiTForImageClassificationWithTeacher(
        transformers.DeiTConfig(**TINY, num_labels=5)
    ),
}
ONE_HEAD = ("resnet", "mobilenet", "vit")
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 32, "width": 32},
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def saved(folder: Path, kind: str = "resnet", **processor: object) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = MODELS[kind]().eval()
    model.save_pretrained(folder)  # type: ignore[operator]
    (folder / "preprocessor_config.json").write_text(json.dumps({**PROCESSOR, **processor}))
    return model


@pytest.mark.parametrize("kind", ONE_HEAD)
def test_a_folder_of_save_pretrained_teaches(kind: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "mine", kind)
    teacher = open_teacher(TeacherOptions(f"hf:{tmp_path}/mine"), InputContract(8, 8, 3))
    assert teacher.contract.shape == (32, 32, 3)
    assert (teacher.contract.mean, teacher.contract.std) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    real = (torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255 - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / (
        torch.tensor([0.2, 0.3, 0.4])[:, None, None]
    )
    with torch.inference_mode():
        wanted = model(real).logits
    torch.testing.assert_close(torch.from_numpy(teacher.answer(IMAGES)), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ONE_HEAD)
def test_any_model_gets_a_new_head_on_its_features(kind: str, tmp_path: Path) -> None:
    model = saved(tmp_path / "mine", kind)
    card = teacher_card(f"hf:{tmp_path}/mine")
    assert (card.name, card.classes) == ("mine", ())
    network = pretrained_network(card, 7)
    images = torch.rand(2, 3, 32, 32)
    features = network.get_submodule("features")(images)
    torch.testing.assert_close(network.get_submodule("head")(features), network(images))
    assert network(images).shape == (2, 7)
    theirs = [part for part in model.modules() if isinstance(part, nn.Linear)][-1]
    torch.testing.assert_close(theirs(features), model(images).logits)


def test_labels_are_told_unless_transformers_made_them_up(tmp_path: Path) -> None:
    saved(tmp_path)
    assert open_hub(f"hf:{tmp_path}").labels == ()
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {str(index): name for index, name in enumerate("abcde")}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert open_hub(f"hf:{tmp_path}").labels == tuple("abcde")


@pytest.mark.parametrize(
    ("processor", "size", "mean", "std"),
    [
        ({"size": {"shortest_edge": 40}}, 40, 0.5, 0.2),
        ({"do_normalize": False}, 32, 0.0, 1.0),
        ({"do_rescale": False}, 32, 0.5 / 255, 0.2 / 255),
        ({"image_processor_type": "MobileNetV2ImageProcessor", "crop_size": {"height": 24, "width": 24}}, 24, 0.5, 0.2),
    ],
)
def test_the_image_processor_decides_the_input(
    processor: dict[str, object], size: int, mean: float, std: float, tmp_path: Path
) -> None:
    saved(tmp_path, **processor)
    contract = open_hub(f"hf:{tmp_path}").contract
    assert contract.shape == (size, size, 3)
    assert (contract.mean[0], contract.std[0]) == pytest.approx((mean, std))


def test_blue_before_red_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, image_processor_type="MobileViTImageProcessor", do_flip_channel_order=True)
    with pytest.raises(ModelError, match="takes blue before red"):
        open_hub(f"hf:{tmp_path}")


def test_without_an_image_processor_nothing_says_what_it_eats(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json"):
        open_hub(f"hf:{tmp_path}")


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"needs transformers.*pip install .*\[hub\]'$"):
        open_hub(f"hf:{tmp_path}")


def test_a_network_that_does_not_end_in_a_linear_layer_gets_no_new_head(tmp_path: Path) -> None:
    """A DeiT with its teacher's token has two heads, whose answers are averaged."""
    saved(tmp_path, "two heads")
    with pytest.raises(ModelError, match="does not end in one linear layer"):
        pretrained_network(teacher_card(f"hf:{tmp_path}"), 7)


def test_a_size_that_the_network_does_not_take_is_one_sentence(tmp_path: Path) -> None:
    saved(tmp_path, "vit")
    card = teacher_card(f"hf:{tmp_path}")
    with pytest.raises(ModelError, match=r"fails on an image of 64x64x3 \(.*\); use its own size\.$"):
        pretrained_network(replace(card, contract=replace(card.contract, height=64, width=64)), 7)


def test_the_weights_name_the_teacher(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    saved(tmp_path / "c", "vit")
    first, same, other = (open_hub(f"hf:{tmp_path / name}").sha256 for name in "abc")
    assert first == same != other


def test_the_hubs_cache_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "a" * 40
    repository = tmp_path / "models--me--mine"
    saved(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    card = teacher_card("hf:me/mine")
    assert card.name == "mine"
    assert card.pretrained is not None
    assert card.pretrained.package == f"hf:me/mine@{commit}"
    assert pretrained_network(card, 7)(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize("name", ["hf:nobody/no-such-model", "hf:no name", "timm:no-such-model"])
def test_a_name_that_cannot_be_reached_fails_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=f"{name} cannot be opened .*check the name and the connection"):
        open_teacher(TeacherOptions(name), InputContract(32, 32, 3))


def test_pickled_weights_are_never_opened(tmp_path: Path) -> None:
    model = saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"has no \.safetensors file"):
        open_hub(f"hf:{tmp_path}")


def test_code_of_the_models_own_is_never_run(tmp_path: Path) -> None:
    saved(tmp_path)
    config = {"model_type": "theirs", "auto_map": {"AutoConfig": "code.C", "AutoModelForImageClassification": "code.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelError, match="cannot be opened"):
        open_teacher(TeacherOptions(f"hf:{tmp_path}"), InputContract(32, 32, 3))
    assert not (tmp_path / "ran").exists()


def test_weights_that_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_sizes": [8, 32]}))
    with pytest.raises(ModelError, match="cannot be opened") as caught:
        open_teacher(TeacherOptions(f"hf:{tmp_path}"), InputContract(32, 32, 3))
    assert "\n" not in str(caught.value)


def test_a_backbone_without_a_head_can_be_tuned_but_not_teach(tmp_path: Path) -> None:
    saved(tmp_path)
    transformers.ResNetModel(transformers.ResNetConfig.from_pretrained(tmp_path)).save_pretrained(tmp_path)
    name = f"hf:{tmp_path}"
    assert pretrained_network(teacher_card(name), 7)(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
    with pytest.raises(ModelError, match=r"no weights for .*classifier.*fine-tune it"):
        open_teacher(TeacherOptions(name), InputContract(32, 32, 3))


def test_a_tuned_network_exports(tmp_path: Path) -> None:
    saved(tmp_path, "mobilenet")
    card = teacher_card(f"hf:{tmp_path}")
    network = pretrained_network(card, 7)
    model = to_onnx(network, card.contract, Metadata(card.contract))
    (tmp_path / "tuned.onnx").write_bytes(model.SerializeToString())
    teacher = open_teacher(TeacherOptions(str(tmp_path / "tuned.onnx")), InputContract(32, 32, 3))
    real = torch.from_numpy(card.contract.real(IMAGES).transpose(0, 3, 1, 2))
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(teacher.answer(IMAGES)), network(real), atol=1e-4, rtol=1e-4)


def test_a_torchvision_that_does_not_fit_is_the_one_to_blame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As builds for CUDA are beside a torch that has none."""

    def unfit(folder: Path) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    saved(tmp_path)
    monkeypatch.setattr(hf, "network", unfit)
    with pytest.raises(ModelError, match=r"torchvision::nms does not exist\); torchvision is built for another torch"):
        open_teacher(TeacherOptions(f"hf:{tmp_path}"), InputContract(32, 32, 3))


@pytest.mark.parametrize("architecture", ["resnet10t", "mobilenetv3_small_050"])
def test_a_folder_of_timm_teaches_and_gets_a_new_head(architecture: str, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", exc_type=ImportError)
    torch.manual_seed(0)
    model = timm.create_model(architecture, pretrained=False, num_classes=5).eval()
    timm.models.save_for_hf(model, tmp_path, safe_serialization=True)
    teacher = open_teacher(TeacherOptions(f"timm:{tmp_path}"), InputContract(32, 32, 3))
    trained = model.pretrained_cfg
    assert teacher.contract.shape == (*trained["input_size"][1:], 3)
    assert (teacher.contract.mean, teacher.contract.std) == (trained["mean"], trained["std"])
    images = np.random.default_rng(0).integers(0, 256, (2, *teacher.contract.shape), np.uint8)
    real = torch.from_numpy(teacher.contract.real(images).transpose(0, 3, 1, 2))
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(teacher.answer(images)), model(real), atol=1e-4, rtol=1e-4)
    card = teacher_card(f"timm:{tmp_path}")
    network = pretrained_network(card, 7)
    assert network(real).shape == (2, 7)
    exported = to_onnx(network, card.contract, Metadata(card.contract))
    (tmp_path / "tuned.onnx").write_bytes(exported.SerializeToString())
    tuned = open_teacher(TeacherOptions(str(tmp_path / "tuned.onnx")), InputContract(32, 32, 3))
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(tuned.answer(images)), network(real), atol=1e-3, rtol=1e-3)
