"""Muon's steps: orthogonal for filters, AdamW's for everything else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgekit.training.muon import RMS, Muon, orthogonal


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_a_matrix_keeps_its_directions_and_loses_its_lengths(rows: int, columns: int, seed: int) -> None:
    drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((rows, columns)))
    left, lengths, right = torch.linalg.svd(drawn, full_matrices=False)
    found = left.T @ orthogonal(drawn) @ right.T
    kept = lengths > 0.01 * lengths[0]
    assert found.diagonal()[kept].min() > 0.6
    assert found.diagonal().max() < 1.3
    assert (found - found.diagonal().diag()).abs().max() < 1e-6


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 12, 3), nn.Flatten(), nn.Linear(48, 3)]
    return nn.Sequential(*layers)


def a_step(learner: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    drawn = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    learner(drawn).square().mean().backward()
    optimizer.step()


def test_filters_move_as_far_as_adamw_moves_and_all_else_as_adamw_moves_it() -> None:
    born, ours, theirs = network(), network(), network()
    a_step(ours, Muon(ours.parameters(), lr=0.01, weight_decay=0.1))
    a_step(theirs, torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1))
    for name, weight in ours.named_parameters():
        if name == "2.weight":
            moved = (weight - born.get_parameter(name) * (1 - 0.01 * 0.1)).detach()
            assert float(moved.square().mean().sqrt()) == pytest.approx(0.01 * RMS, rel=0.3)
        else:
            assert torch.equal(weight, theirs.get_parameter(name)), name


def test_a_stored_optimizer_goes_on_as_if_it_had_not_stopped() -> None:
    undisturbed, stopped = network(), network()
    whole, first = Muon(undisturbed.parameters(), lr=0.01), Muon(stopped.parameters(), lr=0.01)
    a_step(stopped, first)
    second = Muon(stopped.parameters(), lr=0.01)
    second.load_state_dict(first.state_dict())
    a_step(stopped, second)
    for _ in range(2):
        a_step(undisturbed, whole)
    for name, weight in undisturbed.named_parameters():
        assert torch.equal(weight, stopped.get_parameter(name)), name
