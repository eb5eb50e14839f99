"""Instruction templates of EgoIT: ten of each source and task, written by hand in words that the miniature world knows.

Source -> its instructions. Ego-Exo4D has no part in the published corpus: its captions are ours, and the miniature
trains on them.
"""

CAPTIONING: dict[str, tuple[str, ...]] = {
    "egoexo4d": (
        "what does C do?",
        "describe what C does.",
        "say in one sentence what C does.",
        "what is C doing in this clip?",
        "describe the action in this clip.",
        "tell what happens here.",
        "what does C do, to which object, with which hand?",
        "write one sentence about this clip.",
        "look at the hands. what do they do?",
        "what happens in this clip?",
    ),
    "egoexolearn": (
        "say what C does, with which hand.",
        "describe what happens here in one sentence.",
        "write what C does in this clip.",
        "tell what C does, to which object, with which hand.",
        "what does C do with the hands?",
        "what happens here?",
        "look at this clip. what does C do?",
        "describe what the hands do.",
        "say what happens in this clip.",
        "tell in one sentence what C does.",
    ),
}
RECOGNITION: dict[
    str, tuple[str, ...]
] = {  # egoexolearn: the verb; ssv2: the action with its object; egtea: the verb with a class of objects
    "egoexolearn": (
        "which action is this?",
        "which verb is right for this clip?",
        "name the action in this clip.",
        "what is the verb of this action?",
        "say which action C does.",
        "which of these does C do?",
        "look at the hands. which action is it?",
        "name the verb of this clip.",
        "which word says what C does?",
        "what is the action in this clip?",
    ),
    "ssv2": (
        "which action is it, and with which object?",
        "name the action and the object.",
        "say which action this is, with the object.",
        "what does C do, and with which object?",
        "describe the action and name the object.",
        "say the action and the object in this clip.",
        "what is the action, and the object?",
        "look at the hands. which action is it, with which object?",
        "tell the action and the object of this clip.",
        "write the action and the object.",
    ),
    "egtea": (
        "which verb is it, and which kind of object?",
        "name the verb and the kind of object.",
        "say the verb and the kind of object.",
        "what is the verb, and which kind of object is it?",
        "tell the verb and the kind of object.",
        "which verb and which kind of object?",
        "write the verb and the kind of object.",
        "look at the hands. which verb is it, with which kind of object?",
        "what does C do, to which kind of object?",
        "say which verb is right, with the kind of object.",
    ),
}
QUESTIONS: dict[str, tuple[str, ...]] = {  # these stand before the question of a record
    "egotimeqa": (
        "look at this clip, then answer.",
        "look at what happens, then answer.",
        "look at the hands, then answer.",
        "look at what C does, then answer.",
        "answer what is right for this clip.",
        "answer about what C does.",
        "say what is right for this clip.",
        "say which word is right.",
        "this is about what C does.",
        "answer about this clip.",
    ),
    "openeqa": (
        "look at the objects, then answer.",
        "look here, then answer.",
        "answer what is right here.",
        "this is about the objects.",
        "this is about what is here.",
        "answer about the objects.",
        "answer about what is here.",
        "say what is right for the objects.",
        "say what is right here.",
        "answer what is right for the objects.",
    ),
}
