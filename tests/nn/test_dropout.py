"""Dropout by bytes: shares, scale and gradients as torch's own has them."""

import pytest
import torch

from asr.nn import Dropout
from asr.nn.dropout import dropout


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_is_dropped_and_the_mean_stays(share, dtype):
    torch.manual_seed(0)
    found = dropout(torch.ones(1000, 1003, dtype=dtype), share)
    kept = found != 0
    # A 512th for the nearest of 256ths, and six standard deviations of a million draws.
    assert abs(float((~kept).float().mean()) - share) < 1 / 512 + 6 * (share * (1 - share) / kept.numel()) ** 0.5
    assert found[kept].unique().numel() == 1
    assert float(found[kept][0]) == pytest.approx(1 / float(kept.float().mean()), rel=0.01)


def test_elements_are_dropped_by_themselves():
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(1 << 20), 0.5) == 0).double()
    for shift in (1, 2, 4, 8, 16, 64):
        both = float((dropped[shift:] * dropped[:-shift]).mean())
        assert both == pytest.approx(0.25, abs=6 * (0.25 * 0.75 / len(dropped)) ** 0.5)


def test_gradients_pass_where_values_do():
    torch.manual_seed(0)
    values = torch.randn(7, 11, requires_grad=True)
    found = Dropout(0.25)(values)
    found.sum().backward()
    assert torch.equal(found, values * values.grad)
    assert values.grad.unique().tolist() == [0.0, pytest.approx(4 / 3)]


def test_the_generator_decides():
    values = torch.ones(100)
    torch.manual_seed(3)
    first, second = dropout(values, 0.5), dropout(values, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(values, 0.5), first)
    assert not torch.equal(first, second)


def test_the_ends_of_the_scale():
    values = torch.randn(40)
    assert torch.equal(dropout(values, 0.0), values)
    assert torch.equal(dropout(values, 0.5, training=False), values)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert not dropout(values, 1.0).any()
    assert dropout(values[:0], 0.5).numel() == 0
    with pytest.raises(ValueError, match=r"between 0 and 1, not 1\.5"):
        Dropout(1.5)
