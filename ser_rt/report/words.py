"""Words of a report in English and Korean, and how it writes times, shares and levels."""

from __future__ import annotations

from ser_rt.report.recording import RecordingReport, Trend, Turn
from ser_rt.runtime.event import UNSURE, korean_name

_EN = {
    "tagline": "how a voice sounds",
    "recording": "Recording",
    "recordings": "Recordings",
    "picture_alt": "Loudness over time, coloured by emotion. The table of turns says the same.",
    "trend": "How it went",
    "course": "Course",
    "trend_alt": "Share of each emotion over time. The height is how much was spoken.",
    "trend_note": "Height: how much is spoken. Colours: which emotions are named.",
    "moments": "Strongest moments",
    "moments_note": "Turns with the clearest emotions other than neutral. Click to listen.",
    "turns": "Turns",
    "start": "Start",
    "length": "Length",
    "who": "Voice",
    "emotion": "Emotion",
    "confidence": "Confidence",
    "loudness": "Loudness",
    "speech": "Speech",
    "mostly": "Mostly",
    "strongest": "Strongest moment",
    "others": "{count} more",
    "play": "Play",
    "pause": "Pause",
    "open_sound": "Open the recording to listen",
    "no_sound": "The recording is not beside this page. It stays on this computer: it is not sent.",
    "no_speech_title": "No speech",
    "no_speech": "Nobody speaks in this recording, or too softly to be noticed.",
    "no_moments": "No turn has an emotion other than neutral that is clear enough.",
    "cut": "goes on in the next",
    "more_turns": "{count} more turns are not in this table; picture and shares count them.",
    "warnings": "Faults in the audio",
    "ends_early": "It could not be read to its end: {error}",
    "failed": "Not classified",
    "model": "Model",
    "made": "Made by ser-rt {version}",
    "note": "It guesses how a voice sounds, not what a person feels. Do not judge anyone by it, "
    "and tell people whose voices are classified. Nothing about age or gender is inferred.",
    "index_note": "Click a column to sort by it.",
    "channel": "Channel {name}",
    "unsure": "Unsure",
    "total": "{count} recordings, {time}",
}
_KO = {
    "tagline": "목소리의 감정",
    "recording": "녹음",
    "recordings": "녹음 목록",
    "picture_alt": "시간에 따른 음량을 감정의 색으로 나타냅니다. 발화 표에 같은 내용이 있습니다.",
    "trend": "흐름",
    "course": "흐름",
    "trend_alt": "시간에 따른 감정의 비율입니다. 높이는 말의 양입니다.",
    "trend_note": "높이는 말의 양, 색은 감정입니다.",
    "moments": "가장 뚜렷한 순간",
    "moments_note": "중립이 아닌 감정이 가장 뚜렷한 발화입니다. 눌러서 들어 보세요.",
    "turns": "발화",
    "start": "시작",
    "length": "길이",
    "who": "화자",
    "emotion": "감정",
    "confidence": "확신도",
    "loudness": "음량",
    "speech": "말소리",
    "mostly": "대체로",
    "strongest": "가장 뚜렷한 순간",
    "others": "그 밖의 {count}가지",
    "play": "재생",
    "pause": "일시 정지",
    "open_sound": "녹음 파일을 열어 듣기",
    "no_sound": "녹음 파일이 이 문서 옆에 없습니다. 파일은 이 컴퓨터에만 있고 전송되지 않습니다.",
    "no_speech_title": "말소리 없음",
    "no_speech": "이 녹음에는 말소리가 없거나 너무 작습니다.",
    "no_moments": "중립이 아닌 감정이 뚜렷한 발화가 없습니다.",
    "cut": "다음으로 이어짐",
    "more_turns": "발화 {count}개는 표에 없지만 그림과 비율에는 들어 있습니다.",
    "warnings": "소리의 결함",
    "ends_early": "끝까지 읽지 못했습니다: {error}",
    "failed": "분류하지 못함",
    "model": "모델",
    "made": "작성: ser-rt {version}",
    "note": "목소리가 어떻게 들리는지 추측할 뿐, 그 사람의 마음은 알지 못합니다. 이것으로 누구도 "
    "판단하지 말고, 목소리가 분류되는 사람에게 알리세요. 나이나 성별은 추정하지 않습니다.",
    "index_note": "열 이름을 누르면 그 순서로 정렬됩니다.",
    "channel": "채널 {name}",
    "unsure": "불확실",
    "total": "녹음 {count}개, {time}",
}


class Words:
    """The words of one language, by key: ``words["turns"]``."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._words = {"en": _EN, "ko": _KO}[lang]

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with values put in."""
        return self._words[key].format(**values) if values else self._words[key]

    def emotion(self, label: str) -> str:
        """Return the name of an emotion."""
        if label == UNSURE:
            return self("unsure")
        return korean_name(label) if self.lang == "ko" else label

    def channel(self, name: str) -> str:
        """Return the name of a channel; a bare number becomes "Channel 1"."""
        return self("channel", name=name) if name.isdecimal() else name

    def change(self, change: Trend) -> str:
        """Return how an emotion went from the first third to the last, in a sentence."""
        name, before, after = self.emotion(change.emotion), *map(percent, change[1:])
        if self.lang == "ko":
            verb = "늘었습니다" if change.after > change.before else "줄었습니다"
            return f"{name}: 처음 3분의 1의 {before}에서 마지막 3분의 1의 {after}로 {verb}."
        verb = "rises" if change.after > change.before else "falls"
        return f"{name} {verb} from {before} in the first third to {after} in the last."

    def summary(self, recording: RecordingReport) -> str:
        """Return what a recording was like, in one line of plain text."""
        main, strongest = recording.main(), recording.strongest()
        if main is None:
            return self("no_speech_title")
        line = f"{self.emotion(main[0])} {percent(main[1])}"
        if strongest is not None:
            line += f"; {self('strongest').lower()} {self.moment(strongest)}"
        return line

    def moment(self, turn: Turn) -> str:
        """Return emotion, time and confidence of a turn."""
        return f"{self.emotion(turn.emotion)} {clock(turn.peak_s)} ({percent(turn.confidence)})"

    def length(self, seconds: float) -> str:
        """Return a length of time in words."""
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        units = ("시간", "분", "초") if self.lang == "ko" else (" h", " min", " s")
        parts = [f"{n}{unit}" for n, unit in zip((hours, minutes, rest), units, strict=True) if n]
        return " ".join(parts[:2]) or f"0{units[2]}"

    def seconds(self, seconds: float) -> str:
        """Return a short time in seconds."""
        return f"{seconds:.1f}초" if self.lang == "ko" else f"{seconds:.1f} s"


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours where it takes them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(share: float) -> str:
    """Return a share in whole percent; a small one is "<1 %", never 0."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def level(loudness_db: float) -> str:
    """Return a level in dBFS with a minus sign."""
    return f"{loudness_db:.0f}".replace("-", "−")
