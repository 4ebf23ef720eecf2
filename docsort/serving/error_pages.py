"""The JSON of every error that Nginx answers by itself, or in TorchServe's place."""

import json
from dataclasses import dataclass

_RETRY = (("Retry-After", "2"),)


@dataclass(frozen=True)
class ErrorPage:
    """An error that Nginx answers, for itself or in TorchServe's place."""

    status: int
    type: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    variant: str = ""

    @property
    def file(self) -> str:
        return f"{self.type}{self.variant}.json"

    def body(self) -> str:
        content = {"code": self.status, "type": self.type, "message": self.message}
        return json.dumps({"error": content}) + "\n"


def error_pages(max_body_bytes: int) -> list[ErrorPage]:
    """All of them; templates/nginx.conf.j2 says when each is answered."""
    paths = (
        "POST /predictions/NAME, POST /predictions/NAME/VERSION, and GET of /livez, /readyz, "
        "/openapi.json and /"
    )
    media = "Content-Type must be text/plain or application/json in UTF-8, with no Content-Encoding"
    post = (("Allow", "POST"),)
    get = (("Allow", "GET, HEAD"),)
    every = (("Allow", "GET, HEAD, POST"),)
    return [
        ErrorPage(400, "bad_request", "this is not a request that HTTP allows"),
        ErrorPage(400, "tls_required", "this port speaks TLS; use https"),
        ErrorPage(
            401,
            "unauthorized",
            "give an API key of this server: Authorization: Bearer KEY, or X-Api-Key: KEY",
            (("WWW-Authenticate", "Bearer"),),
        ),
        ErrorPage(404, "not_found", f"there is no such path; there are {paths}"),
        ErrorPage(404, "model_not_found", "no model of that name and version is served"),
        ErrorPage(405, "method_not_allowed", f"accepted: {paths}", every),
        ErrorPage(405, "method_not_allowed", "accepted here: POST", post, "_post"),
        ErrorPage(405, "method_not_allowed", "accepted here: GET, HEAD", get, "_get"),
        ErrorPage(408, "request_timeout", "the request took too long to arrive"),
        ErrorPage(411, "length_required", "send the whole body with its Content-Length"),
        ErrorPage(
            413, "too_large", f"the body is over {max_body_bytes} bytes; send documents in parts"
        ),
        ErrorPage(414, "uri_too_long", "the request's path is too long"),
        ErrorPage(415, "unsupported_media_type", media),
        ErrorPage(
            422,
            "query_not_accepted",
            "this path takes no query string: parameters belong in the JSON body, a version in the "
            "path /predictions/NAME/VERSION",
        ),
        ErrorPage(429, "too_many_requests", "this address sends too many requests at once", _RETRY),
        ErrorPage(431, "headers_too_large", "the request's headers are too large"),
        ErrorPage(500, "internal", "the server failed on this request"),
        ErrorPage(500, "worker_failed", "the model failed or took too long; the request is lost"),
        ErrorPage(503, "busy", "too many requests are waiting, or the model restarts", _RETRY),
        ErrorPage(
            503, "not_ready", "a model has no worker yet that gave its golden answers", _RETRY
        ),
        ErrorPage(503, "keys_unreadable", "the server cannot read its API keys", _RETRY),
        ErrorPage(503, "unavailable", "the model server does not answer", _RETRY),
        ErrorPage(504, "timed_out", "the model did not answer in time"),
        ErrorPage(507, "out_of_memory", "the model had too little memory for this request"),
    ]
