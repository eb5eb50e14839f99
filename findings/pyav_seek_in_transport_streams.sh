#!/usr/bin/env bash
# PyAV 18.1.0, MPEG-TS with MPEG-2 video: after seeking to `stream.start_time`, backward, the time of the first key frame,
# decoding begins with a later frame, and the first one cannot be reached; reading from the start gives every frame. A
# loader that seeks to the key frame before a time and counts on from there is off by some frames, without an error.
# Seen: 48 frames from the start; after the seek, number 1 comes first. Fails when number 0 does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/film.ts" <<'PY'
import sys

import av
import numpy as np

FRAMES, GROUP, RATE = 48, 12, 30
with av.open(sys.argv[1], "w") as container:
    stream = container.add_stream("mpeg2video", rate=RATE, options={"g": str(GROUP), "bf": "0"})
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for number in range(FRAMES):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * number, np.uint8), format="rgb24")))
    container.mux(stream.encode())
with av.open(sys.argv[1]) as container:
    times = [frame.pts for frame in container.decode(video=0)]
with av.open(sys.argv[1]) as container:
    stream = container.streams.video[0]
    container.seek(stream.start_time, stream=stream, backward=True)
    first = next(container.decode(stream)).pts
print(f"{len(times)} frames from the start; after a seek to the first one, number {times.index(first)} comes first")
sys.exit(0 if len(times) == FRAMES and times[0] == stream.start_time and times.index(first) > 0 else "it behaves otherwise now")
PY
