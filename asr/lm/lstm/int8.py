"""Products with weights that are held in bytes, by the processor's own instructions for bytes.

A language model of 8 bits spends most of a search's time in products of vectors with the same few matrices. In bytes
they take a third of the time of single precision: the weights are the integers that the folder holds, the vectors are
rounded to seven bits as they come (dynamic quantisation, as torch's quantised linear layers have it).
"""

from __future__ import annotations

import numpy as np

from asr.lm.lstm.scorer import Floats, Product, single_product
from asr.model_folder import row_scales

ENGINE = "fbgemm"  # torch's products in bytes for x86


def byte_product(weight: Floats) -> Product:
    """What multiplies vectors (rows, inputs) by a weight (outputs, inputs) of 8 bits: (rows, outputs).

    A weight that is no such integers times its rows' scales is rounded to them. The vectors of a call are rounded to
    127 steps over their range, zero among it. On a machine without such products: in single precision.
    """
    import torch

    from asr.nn.torch_threads import torch_threads

    if ENGINE not in torch.backends.quantized.supported_engines:
        return single_product(weight)
    values, scales = torch.from_numpy(np.ascontiguousarray(weight)), torch.from_numpy(row_scales(weight))
    integers = torch.quantize_per_channel(values, scales, torch.zeros(len(values), dtype=torch.long), 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(integers, None)

    def multiply(vectors: Floats) -> Floats:
        # In this thread alone: utterances are searched in threads, and threads that wait for each other spin.
        with torch_threads(1):
            rows = torch.from_numpy(np.ascontiguousarray(vectors))
            products: Floats = torch.ops.quantized.linear_dynamic(rows, packed, True).numpy()  # True: seven bits
        return products

    return multiply
