"""The same model behind FastAPI as its documentation would write it: no ranges, no log, no golden records, no batches.

python _plain_server.py MODEL_FILE PORT
"""

from __future__ import annotations

import sys
from typing import Any

import joblib
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

model = joblib.load(sys.argv[1])
names = [str(name) for name in model.feature_names_in_]
Features: Any = create_model("Features", **dict.fromkeys(names, (float, ...)))  # type: ignore[call-overload]
Record: Any = create_model("Record", features=(Features, ...))
app = FastAPI()


@app.post("/predict")
async def predict(record: Record) -> dict[str, Any]:
    frame = pd.DataFrame(np.array([list(record.features.model_dump().values())]), columns=names)
    scores = dict(zip(model.classes_.tolist(), model.predict_proba(frame)[0].tolist(), strict=True))
    return {"prediction": str(model.predict(frame)[0]), "scores": scores}


uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
