"""MediaPipe's ImageClassifier on model files. Runs in an environment of its own: python -P mediapipe_job.py JOB.

JOB is JSON: ``images`` an .npy file of uint8 [N, H, W, 3], ``models`` paths. Prints JSON: per model ``answers``, per
image the pairs (label, score) of all classes, best first; or ``error``, what MediaPipe says against the file. Needs
mediapipe and numpy only.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any


def main() -> None:
    import numpy as np

    job = json.loads(sys.argv[1])
    images = np.load(job["images"])
    results = {model: answers_of(model, images) for model in job["models"]}
    print(json.dumps({"version": version("mediapipe"), "models": results}))


def answers_of(model: str, images: Any) -> dict[str, Any]:
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model))
    try:
        classifier = vision.ImageClassifier.create_from_options(options)
    except (ValueError, RuntimeError) as exc:
        return {"error": str(exc)}
    with classifier:
        answers = []
        for image in images:
            shown = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            found = classifier.classify(shown).classifications[0].categories
            answers.append([(category.category_name, category.score) for category in found])
    return {"answers": answers}


if __name__ == "__main__":
    main()
