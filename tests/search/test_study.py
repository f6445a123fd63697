"""A study of a tiny family: who is trained, who is not, and what a kill leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState
from safetensors.torch import save_file
from torch import nn

from edgekit.data.factory import load_factory
from edgekit.errors import UsageError
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.search import halving
from edgekit.search import study as home
from edgekit.search.records import SearchOptions
from edgekit.search.school import School
from edgekit.search.setting import Setting
from edgekit.search.study import Study
from edgekit.search.trials import Found
from edgekit.training import checkpoint
from edgekit.training.teachers import TeacherDetails


@pytest.fixture(autouse=True)
def two_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halving, "STEPS", 2)


def explored(options: SearchOptions) -> Study:
    return Setting.of(options).explored()


def test_what_does_not_fit_is_never_trained_what_fails_costs_only_itself_and_none_beats_the_front(
    options: SearchOptions,
) -> None:
    study = explored(options)
    by_state: dict[str, list[Found]] = {}
    for one in study.found:
        by_state.setdefault(one.state, []).append(one)
    assert len(by_state["trained"]) == 4
    assert all(one.accuracies and (one.costs.bytes or 0) <= 5000 for one in by_state["trained"])
    assert all(not one.accuracies and "B (+" in one.why for one in by_state["too large"])
    assert all(not one.accuracies and one.costs.bytes < 4000 for one in by_state["too small"])
    reasons = " ".join(one.why for one in by_state["failed"])
    assert "is not to my taste" in reasons
    assert "Training diverged" in reasons
    most = max(len(one.accuracies) for one in study.found)
    assert most == 2
    for one in study.front():
        assert len(one.accuracies) == most
        others = [other for other in study.finished() if other.number != one.number]
        assert not any(other.loss <= one.loss and other.costs.bytes < one.costs.bytes for other in others)


def test_a_study_that_was_cut_off_and_goes_on_ends_as_if_it_had_been_made_at_once(
    options: SearchOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = checkpoint.save, []

    def interrupted(folder: Path, state: dict[str, Any]) -> None:
        save(folder, state)
        saved.append(folder)
        if len(saved) == 3:  # in the middle of a rung
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupted)
    cut = explored(options)
    assert cut.found[-1].state == "running"
    explored(replace(options, trials=2))
    assert explored(options).found == explored(replace(options, out=tmp_path / "at-once")).found


def test_a_worker_takes_up_its_own_trials_alone(options: SearchOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Setting.of(options).study()
    with monkeypatch.context() as patch:
        patch.setattr(School, "teach", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study.work(1, math.inf, unseen, worker=1, of=2)
    number = study.found[-1].number
    study.work(2, math.inf, unseen, worker=0, of=2)
    assert [one.state for one in study.found].count("trained") == 1
    assert study.found[number].state == "running"
    study.work(2, math.inf, unseen, worker=1, of=2)
    assert study.found[number].state != "running"


def test_a_network_that_a_worker_trains_is_not_trained_by_another(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Setting.of(options).study()
    for _ in range(2):
        study.study.enqueue_trial({"width": 6, "kernel": 3, "health": "well"})
    with monkeypatch.context() as patch:
        patch.setattr(School, "teach", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study.work(2, math.inf, unseen, worker=1, of=2)
    study.work(2, math.inf, unseen, worker=0, of=2)
    first, second = study.found[:2]
    assert (first.state, second.state) == ("running", "known")
    assert "the same network as 0, which another worker trains" in second.why


def taught(losses: dict[int, float], calls: list[str]) -> Callable[..., tuple[float, float]]:
    """A school where a network of each width ends with a loss, and adds 1 to its weights at each rung."""

    def teach(
        school: School, network: nn.Module, contract: object, recipe: object, folder: Path
    ) -> tuple[float, float]:
        layer = network[0]  # type: ignore[index]
        calls.append(f"{layer.out_channels} {folder.name}")
        with torch.no_grad():
            layer.bias += 1
        return losses[layer.out_channels] / int(folder.name[-1]), float(layer.bias[0].detach())

    return teach


def beginning(options: SearchOptions, *widths: int) -> Study:
    study = Setting.of(options).study()
    for width in widths:
        study.study.enqueue_trial({"width": width, "kernel": 3, "health": "well"})
    return study


def test_a_candidate_goes_on_as_soon_as_it_is_among_the_best_third(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(School, "teach", taught({6: 2.0, 5: 1.0, 4: 3.0, 3: 0.5}, calls))
    study = beginning(replace(options, max_size=20_000), 6, 5, 4, 3)
    study.work(4, math.inf, unseen)
    assert calls == ["6 rung-1", "5 rung-1", "4 rung-1", "5 rung-2", "3 rung-1", "3 rung-2"]
    found = {one.values["width"]: one for one in study.found}
    assert study.trained == len(found) == 4
    assert found[5].losses == (1.0, 0.5)
    assert found[5].accuracies[1] == pytest.approx(found[5].accuracies[0] + 1)  # from where its first rung ended
    assert [one.values["width"] for one in study.front()] == [3]
    assert sorted(path.name for path in (options.out / "trials").iterdir()) == [
        f"{one.number}.safetensors" for one in study.found
    ]


def test_of_fewer_than_three_the_best_goes_on_when_there_are_enough(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(School, "teach", taught({6: 2.0, 5: 1.0}, calls))
    beginning(replace(options, max_size=20_000), 6, 5).work(2, math.inf, unseen)
    assert calls == ["6 rung-1", "5 rung-1", "5 rung-2"]


def test_a_rung_that_was_learned_when_a_kill_came_is_not_learned_again(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(School, "teach", taught({6: 2.0}, calls))
    study = beginning(options, 6)
    with monkeypatch.context() as patch:
        patch.setattr(Study, "_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            study.work(1, math.inf, unseen)
    study.work(1, math.inf, unseen)
    assert calls == ["6 rung-1", "6 rung-2"]


def test_of_two_workers_that_take_the_same_candidate_one_trains_it_on(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(School, "teach", taught({6: 2.0}, calls))
    study = beginning(options, 6)
    study.work(1, math.inf, unseen)
    first = study.study.trials[0]
    again = study._continued(first, worker=1)
    study.work(1, math.inf, unseen)
    assert calls == ["6 rung-1", "6 rung-2"]
    assert study.study.trials[again.number].user_attrs["state"] == "known"
    assert [one.losses for one in study.found] == [(2.0, 1.0)]


def test_what_a_kill_left_has_a_worker_again_and_what_has_ended_leaves_nothing(options: SearchOptions) -> None:
    study = Setting.of(options).study()
    lost, ended = study.study.ask(), study.study.ask()
    study.study.tell(ended, state=TrialState.FAIL)
    for trial in (lost, ended):
        (options.out / "trials" / str(trial.number)).mkdir(parents=True)
    study.tidy()
    assert study.study.trials[lost.number].user_attrs["worker"] == 0
    assert [path.name for path in (options.out / "trials").iterdir()] == [str(lost.number)]


def test_a_training_that_other_threads_have_begun_begins_again(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write_metrics", interrupt)  # which is done when the first epoch is stored
        assert explored(options).found[-1].state == "running"
    assert list(options.out.glob("trials/*/rung-1/checkpoint.pt"))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert explored(options).trained == options.trials
    finally:
        torch.set_num_threads(threads)


def test_another_best_does_not_go_on_from_what_was_there(options: SearchOptions) -> None:
    study = explored(replace(options, trials=2))
    left = options.out / checkpoint.CHECKPOINT
    for one in study.finished():
        left.write_bytes(b"")
        assert not study.takes_up(one, on_cluster=False)
        assert not left.exists()
        assert study.takes_up(one, on_cluster=False)


def test_networks_that_differ_in_what_they_compute_alone_are_two(options: SearchOptions, tmp_path: Path) -> None:
    setting = Setting.of(replace(options, student=written(tmp_path, SKIPPING)))
    keys = [setting.scales.weigh({"skip": skip, "rank": 2}).key for skip in (True, False, True)]
    assert keys[0] == keys[2] != keys[1]


def test_a_network_that_fails_in_training_costs_only_itself(options: SearchOptions, tmp_path: Path) -> None:
    study = Setting.of(replace(options, student=written(tmp_path, SKIPPING), max_size=50_000)).study()
    for rank in (3, 2):
        study.study.enqueue_trial({"skip": True, "rank": rank})
    study.work(1, math.inf, unseen)
    first, second = study.found
    assert (first.state, second.state) == ("failed", "trained")
    assert first.why == "its training failed with RuntimeError: a rank of 3 is too much"


def test_a_factory_that_has_changed_makes_another_study(options: SearchOptions, tmp_path: Path) -> None:
    student = written(tmp_path, SKIPPING)
    changed = replace(options, student=student, out=tmp_path / "study")
    Setting.of(changed).study()
    written(tmp_path, SKIPPING + "# in other words")
    with pytest.raises(UsageError, match="a study that differs in network"):
        Setting.of(changed).study()


def test_a_budget_that_only_a_large_kernel_meets_is_possible(options: SearchOptions) -> None:
    scales = Setting.of(options).scales
    small, large = (scales.weigh({"width": 1, "kernel": kernel, "health": "well"}).costs.bytes for kernel in (3, 5))
    assert large < small
    Setting.of(replace(options, max_size=large)).require_possible()
    with pytest.raises(UsageError, match=f"the smallest, for 10 classes, has {large:,}"):
        Setting.of(replace(options, max_size=large - 1)).require_possible()


SKIPPING = """
from torch import nn


class Skipping(nn.Module):
    def __init__(self, skip, rank):
        super().__init__()
        self.skip, self.rank = skip, rank
        self.pool = nn.AvgPool2d(4)
        self.layer = nn.Linear(49, 49)
        self.out = nn.Linear(49, 10)

    def forward(self, images):
        if self.training and self.rank == 3:
            raise RuntimeError("a rank of 3 is too much")
        flat = self.pool(images).flatten(1)
        found = self.layer(flat)
        return self.out(found + flat if self.skip else found)


def network(shape, classes, skip=(True, False), rank=(2, 3)):
    return Skipping(skip, rank)
"""


def written(folder: Path, family: str) -> str:
    path = folder / "skipping.py"
    path.write_text(family)
    return f"{path}:network"


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def unseen(found: object) -> None:
    pass


def test_a_study_of_other_options_is_not_touched(options: SearchOptions) -> None:
    explored(replace(options, trials=1))
    with pytest.raises(UsageError, match="a study that differs in limits; choose another --out"):
        explored(replace(options, max_size=5100))


def test_a_teacher_has_its_weights_and_its_input_beside_it_as_when_it_is_distilled(
    options: SearchOptions, tmp_path: Path
) -> None:
    teacher = options.student.replace(":network", ":teacher")
    torch.manual_seed(1)
    network = load_factory(teacher, UsageError)()
    with torch.no_grad():
        network[0].weight.zero_()
    weights = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), weights)
    of_teacher = replace(options, teacher=(teacher,), trials=1, details=TeacherDetails(weights, (0.25,)))
    (opened,) = Setting.of(of_teacher).school.teachers
    assert not opened.network[0].weight.any()
    assert opened.contract.mean == (0.25,)
    Setting.of(of_teacher).study()
    with pytest.raises(UsageError, match="a study that differs in teacher"):
        Setting.of(replace(of_teacher, details=TeacherDetails(weights))).study()


def test_a_file_that_is_no_study_is_named(options: SearchOptions, tmp_path: Path) -> None:
    (tmp_path / home.STUDY_FILE).write_text("no database")
    with pytest.raises(UsageError, match="is no study of 'edgekit search'"):
        explored(options)


def test_a_study_of_another_program_is_named(options: SearchOptions, tmp_path: Path) -> None:
    import optuna

    optuna.create_study(storage=f"sqlite:///{tmp_path / home.STUDY_FILE}", study_name="theirs")
    with pytest.raises(UsageError, match="theirs"):
        explored(options)


def test_the_clock_ends_a_search_with_what_there_is(options: SearchOptions) -> None:
    teacher = options.student.replace(":network", ":teacher")  # which would be looked at first
    assert explored(replace(options, teacher=(teacher,), hours=0.0)).found == []


def test_a_teacher_with_channels_taken_out_is_a_point_of_the_space(options: SearchOptions) -> None:
    teacher = options.student.replace(":network", ":teacher")
    setting = Setting.of(replace(options, teacher=(teacher,)))
    values = {**next(iter(setting.family.space.least())), "shrunk": True}
    weighed = setting.scales.weigh(values)
    assert str(weighed.candidate) == "shrunk for 28x28x1"
    whole, kept = (network.state_dict() for network in (setting.school.teachers[0].network, weighed.network))
    assert kept["2.weight"].shape < whole["2.weight"].shape
    assert set(kept["6.weight"].flatten().tolist()) <= set(whole["6.weight"].flatten().tolist())
    assert 0.7 * options.max_size < weighed.costs.bytes <= options.max_size
    narrow = Setting.of(replace(options, teacher=(teacher,), weights=WeightScheme(weight_bits=4)))
    assert 0.7 * options.max_size < narrow.scales.weigh(values).costs.bytes <= options.max_size


def test_a_search_begins_with_the_cut_teacher_and_random_search_does_not(
    options: SearchOptions, tmp_path: Path
) -> None:
    teacher = options.student.replace(":network", ":teacher")
    options = replace(options, teacher=(teacher,), trials=1)
    guided = explored(replace(options, out=tmp_path / "guided"))
    by_chance = explored(replace(options, out=tmp_path / "random", sampler="random"))
    assert guided.found[0].network == "shrunk for 28x28x1"
    assert by_chance.trained == 1
    assert not any("shrunk" in one.network for one in by_chance.found)
