import os, tempfile, numpy as np, soundfile, csv
from pathlib import Path
d=Path(tempfile.mkdtemp()); os.environ["SER_RT_CACHE"]=str(d/"cache")
rng=np.random.default_rng(0)
rows=[]
for i in range(20):
    p=d/f"{i}.wav"; soundfile.write(p, rng.normal(0,.1,8000).astype("f"),16000)
    rows.append((p.name,["Joy","Sad"][i%2],f"s{i%6}","val" if i>=16 else "train","nc" if i>=16 else "permissive"))
with open(d/"m.csv","w") as f:
    w=csv.writer(f); w.writerow(["file_path","emotion","speaker","split","licence_class"]); w.writerows(rows)
from ser_rt.train import parse_args, configure, find_clips
a=parse_args(["--manifest",str(d/"m.csv"),"--split","train","--val-split","val","--licence-class","permissive"])
clips,held=find_clips(a,("Joy","Sad"))
print("val-split val ->",len(clips),"clips,",len(held),"to validate on")
from ser_rt.training.data.prepare import prepare
from ser_rt.config import DataConfig
p=prepare(clips,held,("Joy","Sad"),DataConfig(),seed=0)
print("validated on:",[c.speaker+" "+c.split for c in p.validation.clips])
u=d/"more"; u.mkdir()
for i in range(50): soundfile.write(u/f"{i}.wav", rng.normal(0,.1,8000).astype("f"),16000)
p=prepare(clips,[],("Joy","Sad"),DataConfig(unlabelled=str(u)),seed=0,has_teacher=True)
print("unlabelled 50 ->", sum(c.dataset=="unlabelled" for c in p.train.clips),"trained on,",sum(c.dataset=="unlabelled" for c in p.validation.clips),"validated on")
