#!/usr/bin/env bash
# An mp4 whose edit list hides its first ten frames (as a cut without re-encoding leaves it) has 80 frames that are shown.
# PyAV 18.1.0 decodes those 80 and its stream.duration is theirs, but stream.frames says 90. decord 0.6.0 says 90 too, and
# gives frame 10 for index 0 and frame 20 for index 10, yet frame 79 for index 79 of the same reader: a uniform sampler
# that trusts the length shows the beginning twice as dense as the end, without an error.
# Fails when one of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check decord==0.6.0 av==18.1.0 numpy==2.4.6
cat > "$folder/show.py" <<'PY'
import sys

import av
import decord
import numpy as np

FRAMES, HIDDEN, SIDE, BITS = 90, 10, 128, 8
whole, cut = (f"{sys.argv[1]}/{name}.mp4" for name in ("whole", "cut"))
with av.open(whole, "w") as container:
    stream = container.add_stream("libx264", rate=30, options={"g": "30", "bf": "0"})
    stream.width = stream.height = SIDE
    stream.pix_fmt = "yuv420p"
    for number in range(FRAMES):
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        for bit in range(BITS):
            image[:, bit * 16 : bit * 16 + 16] = 255 * (number >> bit & 1)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
    container.mux(stream.encode())
with av.open(whole) as source, av.open(cut, "w", options={"avoid_negative_ts": "disabled"}) as target:
    stream = source.streams.video[0]
    copied = target.add_stream_from_template(stream)
    ticks = int(1 / stream.average_rate / stream.time_base)
    for packet in source.demux(stream):
        if packet.dts is not None:
            packet.pts, packet.dts = packet.pts - HIDDEN * ticks, packet.dts - HIDDEN * ticks
            packet.stream = copied
            target.mux(packet)


def number_in(image):
    columns = np.asarray(image).mean(axis=(0, 2))
    return sum(int(columns[bit * 16 + 4 : bit * 16 + 12].mean() > 127) << bit for bit in range(BITS))


with av.open(cut) as container:
    stream = container.streams.video[0]
    of_stream = stream.frames, round(float(stream.duration * stream.time_base * stream.average_rate))
    shown = [number_in(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
reader = decord.VideoReader(cut)
of_decord = [number_in(reader[index].asnumpy()) for index in (0, 10, 79)]
print(f"PyAV: stream.frames {of_stream[0]}, duration in frames {of_stream[1]}, decoded {len(shown)} from {shown[0]} on")
print(f"decord: length {len(reader)}; indices 0, 10 and 79 are frames {of_decord}")
same = of_stream == (90, 80) and shown == list(range(10, 90)) and len(reader) == 90 and of_decord == [10, 20, 79]
sys.exit(0 if same else "another behaviour than described")
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder"
