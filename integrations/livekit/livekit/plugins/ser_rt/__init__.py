"""Emotion of the caller's voice, for LiveKit Agents: `STT` wraps any other.

session = AgentSession(stt=ser_rt.STT(deepgram.STT()), ...)
"""

from ser_rt.agents import check_framework

check_framework("livekit-plugins-ser-rt", "livekit-agents")

from livekit.agents import Plugin  # noqa: E402 (a wrong version is told before it fails to import)
from livekit.plugins.ser_rt.agent import add_speaker_context  # noqa: E402 (as above)
from livekit.plugins.ser_rt.context import SpeakerEmotion  # noqa: E402 (as above)
from livekit.plugins.ser_rt.log import logger  # noqa: E402 (as above)
from livekit.plugins.ser_rt.stream import EmotionTurn  # noqa: E402 (as above)
from livekit.plugins.ser_rt.stt import STT  # noqa: E402 (as above)
from livekit.plugins.ser_rt.version import __version__  # noqa: E402 (as above)

__all__ = ["STT", "EmotionTurn", "SpeakerEmotion", "__version__", "add_speaker_context"]


class SerRtPlugin(Plugin):
    """Entry in the framework's list of plugins."""

    def __init__(self) -> None:
        super().__init__(__name__, __version__, __package__ or __name__, logger)


Plugin.register_plugin(SerRtPlugin())
