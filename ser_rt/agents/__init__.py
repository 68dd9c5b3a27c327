"""Sessions for voice agents: audio is pushed from an event loop, which never waits for the model.

    analyser = Analyser("compact")
    session = analyser.open(print, name="caller")
    session.push(frame.data, frame.sample_rate, frame.num_channels)
    await session.end()

An `Analyser` is one model and one thread for all sessions of a process; a `ParticipantSession` is
what one person says. The plugins of LiveKit Agents and pipecat are made of them.
"""

from ser_rt.agents.analyser import Analyser, shared_analyser
from ser_rt.agents.framework import check_framework
from ser_rt.agents.instructions import instructions
from ser_rt.agents.participant import ParticipantSession

__all__ = [
    "Analyser",
    "ParticipantSession",
    "check_framework",
    "instructions",
    "shared_analyser",
]
