"""The frozen records of Egoflow and their on-disk schemas: the only place where a column is named and typed.

Tables are Parquet. A `Narration` is what a source says at a time (of a span, where the source has one); a `Clip` is a
`[start_s, end_s)` span of one camera of one take; a `Sample` is one instruction with a checkable target over one or
more clips (the only type that training, rewards and benchmarks see); a `Prediction` is one model answer to one sample.
`Video`, `BoxLabel` and `Interval` are what the adapters give besides narrations. A `Caption` says what a video, a part
of it or an image shows, a `Question` asks about one: rows of corpora whose media are not takes, with paths relative to
the media root of their source. `point_narrations` are the narrations of such corpora; `Kept` and `Funnel` are what the
funnel made of web video and how many rows each of its stages let through. `Reject` is a row that was dropped, with the
reason.
"""

from __future__ import annotations

import pyarrow as pa

VIDEO = pa.schema(
    [
        ("video_id", pa.string()),  # content id of (source, take_id, camera_id)
        ("source", pa.string()),
        ("take_id", pa.string()),  # of the source; the videos of one take are views of one time, or stay in one split
        ("take_name", pa.string()),
        ("camera_id", pa.string()),
        ("view", pa.string()),  # "ego" | "exo"
        ("path", pa.string()),  # relative to the source root
        ("duration_s", pa.float64()),
        ("fps", pa.float64()),
        ("split", pa.string()),  # "train" | "test"
    ]
)
# sources whose cameras of a take show the same moment at the same second; Charades-Ego acts its takes out twice
SYNCHRONIZED = ("egoexo4d", "lemma")
NARRATION = pa.schema(
    [
        ("narration_id", pa.string()),
        ("source", pa.string()),
        ("take_id", pa.string()),
        ("annotator_id", pa.string()),
        ("time_s", pa.float64()),
        ("start_s", pa.float64()),  # null, as end_s: the source gives the one time alone
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("subject", pa.string()),  # who acts: "C" the camera wearer | "O" another person; null: the source does not say
        ("ego_visible", pa.bool_()),
        ("best_exo", pa.string()),  # camera_id of the exo view that shows it best; null: none does, or nobody says
        ("unsure", pa.bool_()),
        ("split", pa.string()),
    ]
)
BOX_LABEL = pa.schema(
    [
        ("box_id", pa.string()),
        ("source", pa.string()),
        ("take_id", pa.string()),
        ("video_id", pa.string()),
        ("frame", pa.int64()),  # index into the video
        ("time_s", pa.float64()),
        ("name", pa.string()),
        ("box_xyxy", pa.list_(pa.float64(), 4)),  # percent of the frame, 0 to 100
        ("split", pa.string()),
    ]
)
INTERVAL = pa.schema(
    [
        ("interval_id", pa.string()),
        ("source", pa.string()),
        ("take_id", pa.string()),
        ("video_id", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("split", pa.string()),
    ]
)
CAPTION = pa.schema(
    [
        ("caption_id", pa.string()),
        ("source", pa.string()),
        ("path", pa.string()),  # relative to the media root of the source, forward slashes
        ("media", pa.string()),  # "video" | "image"
        ("start_s", pa.float64()),  # null, as end_s: the whole medium
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("view", pa.string()),  # "ego" | "exo"
        ("split", pa.string()),  # "train" | "test"
    ]
)
QUESTION = pa.schema(
    [
        ("question_id", pa.string()),
        ("source", pa.string()),
        ("path", pa.string()),  # of a video, or of the folder that holds the frames
        ("media", pa.string()),  # "video" | "image" | "frames"
        ("start_s", pa.float64()),  # null, as end_s: the whole medium
        ("end_s", pa.float64()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("wrong_answers", pa.list_(pa.string())),  # for closed questions; may be empty
        ("other_answers", pa.list_(pa.string())),  # right as well
        ("category", pa.string()),  # null where the source has none
        ("view", pa.string()),
        ("split", pa.string()),
    ]
)
CLIP = pa.schema(
    [
        ("clip_id", pa.string()),
        ("moment_id", pa.string()),  # the clips of one moment in several views share it
        ("narration_id", pa.string()),
        ("source", pa.string()),
        ("take_id", pa.string()),
        ("video_id", pa.string()),
        ("view", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("split", pa.string()),
    ]
)
KEPT = pa.schema(  # a clip of web video that the funnel kept, with what the thresholds saw
    [
        ("clip_id", pa.string()),
        ("parent", pa.string()),  # narration_id or caption_id
        ("source", pa.string()),
        ("take_id", pa.string()),
        ("path", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("ego_score", pa.float64()),
        ("hands", pa.int64()),
        ("objects", pa.int64()),
        ("frames", pa.int64()),
        ("motion", pa.float64()),
        ("split", pa.string()),
    ]
)
FUNNEL = pa.schema(
    [
        ("stage", pa.string()),
        ("rows_in", pa.int64()),
        ("rows_out", pa.int64()),
        ("reasons", pa.list_(pa.struct([("reason", pa.string()), ("rows", pa.int64())]))),
    ]
)
SPAN = pa.struct([("start_s", pa.float64()), ("end_s", pa.float64())])
TARGET = pa.struct(  # a tagged union: `kind` says which member holds the truth, the others are null
    [
        ("kind", pa.string()),  # "text" | "choice" | "span" | "box"
        ("text", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("answer_index", pa.int64()),
        ("span", SPAN),  # seconds from the start of the first clip
        # percent of the frame; no fixed length: Parquet cannot read back a null list of fixed length (pyarrow 25)
        ("box_xyxy", pa.list_(pa.float64())),
    ]
)
MEDIA = pa.struct(
    [("video_id", pa.string()), ("view", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())]
)
SAMPLE = pa.schema(
    [
        ("sample_id", pa.string()),
        ("corpus", pa.string()),  # one of CORPORA in components/data/contracts/sample.py
        ("task", pa.string()),  # "caption" | "qa" | "ground_spatial" | "ground_temporal" | "verify"
        ("question_type", pa.string()),
        ("take_id", pa.string()),
        ("split", pa.string()),
        ("view", pa.string()),
        ("media", pa.list_(MEDIA)),
        ("paired", pa.list_(MEDIA)),  # the same moment in each exo view; empty where there is none
        ("frame_kind", pa.string()),  # "image" | "clip" | "window": which frame count of the sampling contract
        ("question", pa.string()),
        ("answer", pa.string()),  # the text to train on
        ("target", TARGET),
        ("parents", pa.list_(pa.string())),  # ids of the rows this one was made from
    ]
)
PREDICTION = pa.schema(
    [
        ("sample_id", pa.string()),
        ("take_id", pa.string()),
        ("task", pa.string()),
        ("view", pa.string()),
        ("condition", pa.string()),  # "model", or the control
        ("question", pa.string()),
        ("answer", pa.string()),  # the true one, as it is trained on
        ("completion", pa.string()),
        ("parsed", pa.string()),  # what the score read in the completion; null where it could read nothing
        ("tokens", pa.int64()),  # written, with the end token; 0 where options were ranked
        ("is_cut", pa.bool_()),  # the token budget ended before the answer did
        ("seconds", pa.float64()),  # of the samples that were answered together, divided by their number
        ("score_name", pa.string()),
        ("score", pa.float64()),  # null where this score does not apply to the sample
    ]
)
REJECT = pa.schema([("step", pa.string()), ("row_id", pa.string()), ("reason", pa.string()), ("detail", pa.string())])

VIDEOS = (
    "annotations/videos",
    "media/videos",
    "funnel/videos",
)  # those that are there belong together; the first always is
_TARGETS = {f"target.{name}" for name in ("text", "choices", "answer_index", "span", "box_xyxy")}
_SPOKEN = {"start_s", "end_s", "subject", "ego_visible", "best_exo", "unsure"}
# table -> columns that may be null, and members of nested ones; every other one is there in every row, and every number
# is finite (components/data/contracts/values.py). Not in the schemas: readers of Parquet differ in what they make of it
NULLABLE: dict[str, frozenset[str]] = {
    "narrations": frozenset(_SPOKEN),
    "point_narrations": frozenset(_SPOKEN),
    "captions": frozenset({"start_s", "end_s"}),
    "questions": frozenset({"start_s", "end_s", "category"}),
    "samples": frozenset(_TARGETS),
    "rejects": frozenset({"detail"}),
}
SCHEMAS = {
    "videos": VIDEO,
    "narrations": NARRATION,
    "boxes": BOX_LABEL,
    "intervals": INTERVAL,
    "captions": CAPTION,
    "questions": QUESTION,
    "point_narrations": NARRATION,
    "clips": CLIP,
    "kept": KEPT,
    "table": FUNNEL,
    "samples": SAMPLE,
    "predictions": PREDICTION,
    "rejects": REJECT,
}
