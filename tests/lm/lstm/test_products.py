"""The extension's products, sums and cells against NumPy, in double precision where that matters."""

from __future__ import annotations

import numpy as np
import pytest

from asr._native import ByteMatrix, FloatMatrix, log_sums, lstm_step


def _weights_of_bytes(random, outputs, inputs):
    """A weight that is whole steps of its rows' scales, and those scales: (outputs, inputs), (outputs, 1)."""
    steps = random.integers(-127, 128, (outputs, inputs))
    steps[:, 0] = 127  # so that a row's scale is what its largest value says
    scales = random.uniform(0.001, 0.1, (outputs, 1))
    return (steps * scales).astype(np.float32), scales


@pytest.mark.parametrize(("outputs", "inputs", "rows"), [(30, 17, 9), (1, 1, 1), (48, 64, 8), (33, 5, 20)])
def test_products_in_single_precision_are_those_of_numpy(outputs, inputs, rows):
    random = np.random.default_rng(0)
    weight, vectors = (random.normal(size=size).astype(np.float32) for size in ((outputs, inputs), (rows, inputs)))
    assert FloatMatrix(weight).multiply(vectors) == pytest.approx(vectors @ weight.T, abs=1e-4)


@pytest.mark.parametrize(("outputs", "inputs", "rows"), [(30, 17, 9), (1, 1, 1), (48, 64, 8), (33, 5, 20)])
def test_products_in_bytes_are_exact_for_vectors_that_bytes_can_hold(outputs, inputs, rows):
    random = np.random.default_rng(1)
    weight, _ = _weights_of_bytes(random, outputs, inputs)
    vectors = random.integers(-40, 88, (rows, inputs)).astype(np.float32)
    vectors[:, 0], vectors[:, -1] = -40 if inputs > 1 else 0, 87  # a range of 127: steps of 1
    expected = vectors.astype(float) @ weight.astype(float).T
    assert ByteMatrix(weight).multiply(vectors) == pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_weights_that_are_stored_in_bytes_give_the_same_products():
    random = np.random.default_rng(2)
    steps, scales = random.integers(-128, 128, (33, 21)).astype(np.int8), random.random(33).astype(np.float32)
    steps[:, 0] = 127
    weight = np.maximum(steps, np.int8(-127)).astype(np.float32) * scales[:, None]
    vectors = random.normal(size=(9, 21)).astype(np.float32)
    assert ByteMatrix(steps, scales).multiply(vectors) == pytest.approx(ByteMatrix(weight).multiply(vectors), rel=1e-5)
    with pytest.raises(ValueError, match="scale"):
        ByteMatrix(steps, scales[1:])


def test_products_in_bytes_are_off_by_half_a_step_of_each_vector_at_most():
    random = np.random.default_rng(0)
    weight, _ = _weights_of_bytes(random, 30, 17)
    vectors = random.normal(size=(9, 17)).astype(np.float32) * random.uniform(0.1, 10, (9, 1)).astype(np.float32)
    product = ByteMatrix(weight)
    found = product.multiply(vectors)
    step = (np.maximum(vectors.max(axis=1), 0) - np.minimum(vectors.min(axis=1), 0)) / 127
    off = np.abs(found - vectors @ weight.T)
    assert (off <= np.abs(weight).sum(axis=1) * step[:, None] / 2 + 1e-3).all()
    assert 0 < off.mean() < np.abs(vectors @ weight.T).mean() / 50
    alone = np.concatenate([product.multiply(row[None]) for row in vectors])
    assert np.array_equal(found, alone)  # whatever the company


def test_sums_and_cells_equal_those_in_double_precision():
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 1037)).astype(np.float32) * 20
    values[1] -= 300
    values[2, ::3] = -np.inf
    assert log_sums(values) == pytest.approx(np.logaddexp.reduce(values.astype(float), axis=1).tolist(), abs=1e-5)
    gates, cells = random.normal(size=(7, 40)).astype(np.float32) * 8, random.normal(size=(7, 10)).astype(np.float32)
    gates[0], gates[1] = 200, -200
    entry, forget, candidate, leave = np.split(gates.astype(float), 4, axis=1)
    after = cells / (1 + np.exp(-forget)) + np.tanh(candidate) / (1 + np.exp(-entry))
    outputs = np.tanh(after) / (1 + np.exp(-leave))
    assert lstm_step(gates, cells) == pytest.approx(outputs, abs=2e-6)
    assert cells == pytest.approx(after, abs=2e-6)


def test_products_of_no_vector_are_none():
    weight = np.ones((5, 3), np.float32)
    for matrix in (FloatMatrix(weight), ByteMatrix(weight)):
        assert matrix.multiply(np.zeros((0, 3), np.float32)).shape == (0, 5)
        with pytest.raises(ValueError, match="do not fit"):
            matrix.multiply(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="do not fit"):
        lstm_step(np.zeros((2, 8), np.float32), np.zeros((2, 3), np.float32))
