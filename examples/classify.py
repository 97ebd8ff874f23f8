"""A text classifier beside the plain baseline that it must beat: python examples/classify.py [FILE.csv]

FILE has the columns `text` and `label`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from asr.nlp.folder import load_classifier
from asr.nlp.run import ClassifierRunConfig, train_classifier
from asr.nlp.table import read_table

with tempfile.TemporaryDirectory() as folder:
    if len(sys.argv) > 1:
        table = read_table(sys.argv[1], "text", "label")
    else:  # reviews, made up
        random = np.random.default_rng(1)
        words = {"good": ["great", "fine", "lovely"], "bad": ["dull", "poor", "awful"]}
        rows = ["text,label"]
        for label in ["good", "bad"] * 100:
            thing, word = random.choice(["film", "book", "play"]), random.choice(words[label])
            rows.append(f"the {thing} was {word} indeed,{label}")
        path = Path(folder) / "reviews.csv"
        path.write_text("\n".join(rows) + "\n")
        table = read_table(path, "text", "label")
    trained = train_classifier(ClassifierRunConfig(), table, None, Path(folder) / "model")
    print(f"kept: {trained.kept}; accuracy on a tenth that was held out: {1 - trained.errors['kept']:.1%}")

    classifier = load_classifier(Path(folder) / "model")
    texts = ["a lovely film", "what a dull book"]
    for text, chances in zip(texts, classifier.probabilities(texts), strict=True):
        print(f"{classifier.classes[chances.argmax()]} ({chances.max():.0%}): {text}")
    baseline = classifier.baseline.predict(texts)
    print("tf-idf with logistic regression says:", [classifier.classes[number] for number in baseline])
