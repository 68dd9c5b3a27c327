import os, tempfile, numpy as np, soundfile, torch
from pathlib import Path
d=Path(tempfile.mkdtemp()); os.environ["SER_RT_CACHE"]=str(d/"cache")
from ser_rt.training.data.dataset import SpeechEmotionDataset
from ser_rt.training.data.sampler import Draw
rng=np.random.default_rng(0)
ps=[]
for i in range(2):
    p=d/f"{i}.wav"; soundfile.write(p, rng.normal(0,.1,96000).astype("f"),16000); ps.append(p)
ds=SpeechEmotionDataset(ps,["Joy","Sad"],emotion_labels=("Joy","Sad"),every_hop=True,ratings=[[0.9],[0.1]])
e=ds[Draw(0,1,96000,1)]
print("ratings",e["ratings"].tolist(),"emotions in the last 3 s:",e["emotions"][-150:].mean(0).tolist())
