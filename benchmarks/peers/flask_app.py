"""What docsort replaces: Flask under gunicorn, one text at a time, padded to 512 tokens."""

import os

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from plain_model import PlainModel

app = Flask(__name__)
model = PlainModel(os.environ["PLAIN_MODEL"], padding="max_length")


@app.post("/predict")
def predict() -> ResponseReturnValue:
    return jsonify(model.classify([request.get_json()["text"]])[0])
