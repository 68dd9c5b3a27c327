"""Words of events, summaries and the live display, in English and in Korean."""

from __future__ import annotations

from ser_rt.runtime.event import EmotionEvent

WORDS = {
    "en": {
        "no_speech": "no speech",
        "partial": "early",
        "warning": "warning",
        "unsure": "unsure",
        "overall": "all in all: {name} {share:.0%}",
        "shares": "heard: {parts} of {speech_s:.1f} s of speech",
        "nothing": "no speech was heard",
        "moments": "strongest: {parts}",
        "windows": "{windows} windows classified, {no_speech} without speech, {audio_s:.1f} s",
        "speed": "real-time factor {rtf:.4f} ({speed:.0f} times faster than real time)",
        "dropped": "{dropped} samples dropped",
        "latency": "latency",
        "interrupted": "interrupted",
        "peak": "clearest at",
        "saved": "{saved:.0%} of the model's work saved where nobody spoke",
        "skipped": "{skipped} windows left out for want of time",
        "drift": "the device's clock is off by {drift:g} ppm",
        "level": "level",
        "speech": "speech",
        "quiet": "quiet",
        "lost": "no sound arrives",
        "minute": "last minute",
        "now": "now",
        "since": "since",
        "for": "for {seconds:.0f} s",
        "perhaps": "perhaps",
        "silence": "nobody speaks",
        "listening": "listening",
        "others": "{count} others",
        "behind": "behind",
        "results": "{count} results",
        "well": "all well",
        "ends": "Ctrl-C ends",
    },
    "ko": {
        "no_speech": "음성 없음",
        "partial": "초기",
        "warning": "경고",
        "unsure": "불확실",
        "overall": "전체: {name} {share:.0%}",
        "shares": "말한 {speech_s:.1f}초 가운데 {parts}",
        "nothing": "말소리가 들리지 않았습니다",
        "moments": "가장 뚜렷한 순간: {parts}",
        "windows": "{audio_s:.1f}초 분석: 말소리 {windows}구간, 무음 {no_speech}구간",
        "speed": "실시간의 {speed:.0f}배 속도 (실시간 계수 {rtf:.4f})",
        "dropped": "샘플 {dropped}개 손실",
        "latency": "지연 시간",
        "interrupted": "사용자가 중단함",
        "peak": "가장 뚜렷한 때",
        "saved": "말이 없는 구간을 건너뛰어 모델 연산 {saved:.0%} 절약",
        "skipped": "처리가 늦어 {skipped}구간 건너뜀",
        "drift": "장치 시계 오차 {drift:g} ppm",
        "level": "음량",
        "speech": "말소리",
        "quiet": "조용함",
        "lost": "소리가 들어오지 않음",
        "minute": "최근 1분",
        "now": "지금",
        "since": "시작",
        "for": "{seconds:.0f}초째",
        "perhaps": "아마",
        "silence": "말소리 없음",
        "listening": "듣는 중",
        "others": "그 밖의 {count}개",
        "behind": "지연",
        "results": "결과 {count}개",
        "well": "이상 없음",
        "ends": "Ctrl-C로 끝내기",
    },
}
LANGUAGES = tuple(WORDS)

_KOREAN_WARNINGS = {
    "clipping": "소리가 너무 커서 잘립니다",
    "damaged": "손상된 부분이 있습니다",
    "degraded": "처리가 늦어 일부 결과를 건너뜁니다",
    "device_back": "마이크가 다시 연결되었습니다",
    "device_lost": "마이크 연결이 끊겼습니다",
    "gap": "소리 일부가 빠졌습니다",
    "header": "파일의 머리글이 내용과 다릅니다",
    "opposite_channels": "두 채널이 서로 상쇄됩니다. --channel 1을 지정하세요",
    "overflow": "처리가 늦어 소리 일부를 잃었습니다",
    "recovered": "처리 속도가 회복되었습니다",
    "silence": "소리가 들리지 않습니다",
    "stale": "소리가 늦게 도착했습니다",
    "stream_back": "연결이 복구되었습니다",
    "stream_lost": "연결이 끊겼습니다",
    "tracks": "오디오 트랙이 여러 개입니다",
    "trailing_bytes": "마지막 바이트가 샘플 하나를 이루지 못합니다",
    "truncated": "파일이 중간에 끊겨 있습니다",
}


def warning_text(event: EmotionEvent, lang: str) -> str:
    """Return the words of a warning, in Korean with the English ones, which hold the details."""
    own = _KOREAN_WARNINGS.get(event.code or "") if lang == "ko" else None
    said = event.message if own is None else f"{own} ({event.message})"
    return f"{WORDS[lang]['warning']}: {said}"
