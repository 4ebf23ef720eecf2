"""LitServe as its documentation has it, with or without batching."""

import argparse
from collections.abc import Sequence
from typing import Any

import litserve
from plain_model import PlainModel


class PlainApi(litserve.LitAPI):
    """One model in each worker process."""

    model_folder: str

    def setup(self, device: str) -> None:
        self._model = PlainModel(self.model_folder)

    def decode_request(self, request: dict[str, str]) -> str:
        return request["text"]

    def predict(self, x: str | Sequence[str]) -> Any:
        """A list of texts where it batches, else one."""
        if isinstance(x, str):
            return self._model.classify([x])[0]
        return self._model.classify(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()
    api = PlainApi(max_batch_size=options.batch_size, batch_timeout=0.005)
    api.model_folder = options.model  # its workers get the object, not the class
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=options.workers)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")
