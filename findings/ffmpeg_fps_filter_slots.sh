#!/usr/bin/env bash
# Released frame folders (EPIC-KITCHENS at 50 and 60 images a second, and many others) come from ffmpeg's `fps` filter. One
# would say that image n of such a folder is the frame that the film shows at n / fps. It is not: the filter rounds each
# frame's time to the nearest slot, and a slot keeps the last frame that fell into it, so that image n is the frame that
# is shown just before the middle of the slot, (n + 1/2) / fps. Of a film at 60000/1001 frames a second extracted at 50,
# 297 of 499 images are frames that begin only after n / fps: who looks for the box of such an image in the film at n / fps
# meets the frame before it. Seen with the filter graph of PyAV 18.1.0. Fails when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cat > "$folder/show.py" <<'PY'
import sys
from fractions import Fraction

import av
import numpy as np

RATE, FPS, FRAMES = Fraction(60000, 1001), 50, 600
graph = av.filter.Graph()
entrance = graph.add_buffer(width=16, height=16, format=av.VideoFormat("gray"), time_base=1 / RATE)
slots, leaving = graph.add("fps", f"fps={FPS}"), graph.add("buffersink")
entrance.link_to(slots)
slots.link_to(leaving)
graph.configure()
images = []


def take():
    while True:
        try:
            pixel = graph.pull().to_ndarray()
        except (BlockingIOError, EOFError):
            return
        images.append(int(pixel[0, 0]) + 256 * int(pixel[0, 8]))


for number in range(FRAMES):
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:, :8], pixels[:, 8:] = number % 256, number // 256
    frame = av.VideoFrame.from_ndarray(pixels, format="gray")
    frame.pts, frame.time_base = number, 1 / RATE
    graph.push(frame)
    take()
graph.push(None)
take()
last = FRAMES - 2  # the end of a stream has rules of its own
kept = [(n, image) for n, image in enumerate(images) if image < last]
shown_at_start = [int(Fraction(n, FPS) * RATE) for n, _ in kept]
# the last frame that begins before the middle of the slot
before_middle = [-(-(Fraction(2 * n + 1, 2 * FPS) * RATE) // 1) - 1 for n, _ in kept]
late = sum(image != guess for (_, image), guess in zip(kept, shown_at_start))
wrong = sum(image != middle for (_, image), middle in zip(kept, before_middle))
print(f"{len(kept)} images: {late} are not the frame shown at n / fps; {wrong} are not the one before the slot's middle")
sys.exit(0 if wrong == 0 and 0.3 < late / len(kept) < 0.7 else "another behaviour than described")
PY
"$folder/venv/bin/python" "$folder/show.py"
