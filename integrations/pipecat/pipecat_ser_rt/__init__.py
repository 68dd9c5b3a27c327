"""Emotion of the caller's voice, for pipecat.

pipeline = Pipeline([transport.input(), EmotionProcessor(), stt, EmotionInstructions(), llm, ...])
worker = PipelineWorker(pipeline)
worker.add_observer(EmotionObserver(worker.rtvi))
"""

from ser_rt.agents import check_framework

check_framework("pipecat-ser-rt", "pipecat-ai")

from pipecat_ser_rt.frames import EmotionFrame, EmotionTurnFrame  # noqa: E402 (a wrong version is told before it fails to import)
from pipecat_ser_rt.instructions import EmotionInstructions  # noqa: E402 (as above)
from pipecat_ser_rt.observer import EmotionObserver  # noqa: E402 (as above)
from pipecat_ser_rt.processor import EmotionProcessor  # noqa: E402 (as above)

__all__ = [
    "EmotionFrame",
    "EmotionInstructions",
    "EmotionObserver",
    "EmotionProcessor",
    "EmotionTurnFrame",
]
