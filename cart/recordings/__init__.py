"""Recordings of a cart: MCAP files (mcap.dev) with JSON messages, read and written here and nowhere else.

`format` says what stands in one, `reading` opens any, also one cut short by a power cut, `writing` makes one.
"""

from cart.recordings.format import RecordedSettings, RecordingError, Truth, TruthEvent
from cart.recordings.reading import Recording, open_recording
from cart.recordings.writing import RecordingWriter

__all__ = [
    "RecordedSettings",
    "Recording",
    "RecordingError",
    "RecordingWriter",
    "Truth",
    "TruthEvent",
    "open_recording",
]
