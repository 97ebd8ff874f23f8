"""Word error rates of two systems on the same utterances, and whether the difference is more than chance.

python examples/compare_two_systems.py [REFERENCE FIRST SECOND]        # text files, an utterance a line
"""

import sys
from pathlib import Path

from asr import cer, compare, wer

if len(sys.argv) > 3:
    reference, first, second = (Path(name).read_text().splitlines() for name in sys.argv[1:4])
else:
    reference = ["the old man walked along the river", "he had never seen such a morning", "", "good night"] * 10
    first = ["the old man walk along the river", "he never seen such a morning", "", "good knight"] * 10
    second = ["the old man walked along a river", "he had never seen such a morning", "", "good night"] * 10

for name, texts in (("first", first), ("second", second)):
    print(f"{name}: WER {wer(reference, texts):.2%}, CER {cer(reference, texts):.2%}")
test = compare(reference, first, second)
print(f"difference {test.difference:+.2%} (95% interval {test.interval.low:+.2%} to {test.interval.high:+.2%})")
print(f"p = {test.p_value:.4f}: {'more than chance' if test.p_value < 0.05 else 'may be chance'}")
print(f"the second is better in {test.better} utterances and worse in {test.worse}")
