"""`add_speaker_context`: tells the language model how the caller sounds, before it answers."""

from __future__ import annotations

from livekit.agents import Agent, llm, stt
from livekit.agents.utils import is_given
from livekit.plugins.ser_rt.context import SpeakerEmotion
from livekit.plugins.ser_rt.stt import STT


def add_speaker_context(agent: Agent, turn_ctx: llm.ChatContext) -> SpeakerEmotion | None:
    """Add a system message on the caller's tone to the context of one reply, and return it.

    For ``Agent.on_user_turn_completed``, whose context it changes for that reply alone. It also
    sets ``agent.audio_recognition.stt_context``.
    """
    found: stt.STT | None = agent.session.stt
    if is_given(agent.stt):
        found = agent.stt
    context = found.context if isinstance(found, STT) else None
    agent.audio_recognition.stt_context = context
    text = "" if context is None else context.to_instructions()
    if text:
        turn_ctx.add_message(role="system", content=text)
    return context
