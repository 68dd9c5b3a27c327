# ruff: noqa: E501
"""Code of the original module's README, block by block, with its name replaced."""

PYTHON = {
    "학습": """
from SER.trainer import create_trainer
from SER.data_loader import load_dataset_from_directory

# 데이터 로드
audio_paths, labels = load_dataset_from_directory("./data/emotions/")

# 훈련기 생성 및 훈련
trainer = create_trainer()
trainer.train(train_data=(audio_paths, labels))
""",
    "추론": """
from SER.inference import create_inference_engine

# 추론 엔진 생성
inference = create_inference_engine("./results")

# 단일 파일 예측
result = inference.predict_single("audio_file.wav")
print(f"예측 감정: {result['predicted_emotion']}")
print(f"신뢰도: {result['confidence']:.4f}")
""",
    "모델 설정": """
from SER.config import model_config

# 기본 설정 확인
print(f"모델: {model_config.model_name}")
print(f"감정 클래스: {model_config.emotion_labels}")

# 설정 수정
model_config.max_duration = 15.0  # 최대 오디오 길이 변경
""",
    "훈련 설정": """
from SER.config import training_config

# 훈련 파라미터 조정
training_config.batch_size = 16
training_config.learning_rate = 5e-5
training_config.num_epochs = 20
""",
    "훈련 중 모니터링": """
# 훈련 히스토리 시각화
from SER.utils import plot_training_history

history = {
    'train_loss': [0.8, 0.6, 0.4, 0.3],
    'val_loss': [0.9, 0.7, 0.5, 0.4],
    'val_accuracy': [0.6, 0.7, 0.8, 0.85],
    'val_f1': [0.55, 0.65, 0.75, 0.82]
}

plot_training_history(history, save_path='training_history.png')
""",
    "평가 및 분석": """
from SER.evaluate import ModelEvaluator

# 평가기 생성
evaluator = ModelEvaluator("./results")

# 데이터셋 평가
results = evaluator.evaluate_dataset(audio_paths, true_labels)

# 혼동 행렬 시각화
evaluator.plot_confusion_matrix()

# 클래스별 성능 시각화
evaluator.plot_class_metrics()

# 보고서 생성
report = evaluator.generate_evaluation_report()
print(report)
""",
    "커스텀 데이터 로더": """
from SER.data_loader import SpeechEmotionDataset
from transformers import Wav2Vec2Processor

processor = Wav2Vec2Processor.from_pretrained("kresnik/wav2vec2-large-xlsr-korean")

dataset = SpeechEmotionDataset(
    data_paths=audio_paths,
    labels=labels,
    processor=processor,
    is_training=True
)
""",
    "커스텀 전처리": """
from SER.preprocessing import AudioPreprocessor

preprocessor = AudioPreprocessor(
    target_sr=16000,
    max_duration=15.0,
    normalize=True
)

# 오디오 전처리
processed_audio = preprocessor.preprocess(
    "audio_file.wav",
    apply_augmentation=True
)
""",
    "배치 추론": """
# 여러 파일 동시 처리
audio_files = ["file1.wav", "file2.wav", "file3.wav"]
results = inference.predict_batch(audio_files)

# 디렉토리 전체 처리
results = inference.predict_directory("./audio_folder")

# 감정 분포 분석
distribution = inference.analyze_emotions_distribution(results)
print(f"가장 많은 감정: {max(distribution['emotion_counts'], key=distribution['emotion_counts'].get)}")
""",
    "kresnik 모델 하이퍼파라미터": """
training_config.learning_rate = 3e-5  # 큰 모델에 적합한 낮은 학습률
training_config.batch_size = 4        # GPU 메모리 고려
training_config.gradient_accumulation_steps = 4  # 효과적 배치 크기 = 16
training_config.warmup_steps = 1000   # 더 긴 웜업
training_config.num_epochs = 5        # 큰 모델은 적은 에포크로도 효과적
""",
    "데이터 증강": """
from SER.config import data_config

# 데이터 증강 활성화
data_config.data_augmentation = True
data_config.apply_noise_reduction = True
""",
    "조기 종료": """
# 조기 종료 설정
training_config.early_stopping_patience = 5
training_config.early_stopping_threshold = 0.001
""",
    "CUDA 메모리 부족": """
training_config.batch_size = 4  # 배치 크기 줄이기
training_config.fp16 = True     # Mixed precision 사용
""",
    "로깅 활성화": """
from SER.utils import setup_logging

# 디버그 로깅 활성화
logger = setup_logging(log_level="DEBUG", log_file="ser_debug.log")
""",
}

COMMANDS = {
    "훈련 실행": """
python -m SER.train \\
    --data_dir ./data/emotions \\
    --output_dir ./results \\
    --batch_size 8 \\
    --num_epochs 10 \\
    --learning_rate 1e-4
""",
    "추론 실행": """
python -m SER.inference \\
    --model_path ./results \\
    --audio_path audio_file.wav
""",
    "모델 평가": """
python -m SER.evaluate \\
    --model_path ./results \\
    --data_dir ./test_data \\
    --output_dir ./evaluation_results
""",
}

FILES = (
    "__init__.py config.py model.py preprocessing.py data_loader.py trainer.py train.py "
    "inference.py evaluate.py utils.py"
)

EMOTIONS = """
Neutral (중립) Angry (분노) Joy (기쁨) Sad (슬픔) Serious (진지함) Anxious (불안) Kind (친절)
Dry (건조함) Tease (놀림) Doubt (의심) Surprise (놀람) Shy (수줍음) Hurry (서두름) Fear (두려움)
Hesitate (주저함)
"""
