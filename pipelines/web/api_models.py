"""Requests and answers of the API; its OpenAPI document is made from them."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dance_models.config import JointDefinition
from dance_models.skeleton import DANCE_14

Point = list[float | None]
JOINTS: Final = ", ".join(DANCE_14.names)


class TrackRequest(BaseModel):
    """Poses of one dancer in consecutive frames, as any estimator found them."""

    model_config = ConfigDict(extra="forbid")

    keypoints: list[list[Point | None]] = Field(
        description="[frames][14][x, y] in pixels, or [x, y, score]; null where a joint is missing"
        f". Left and right are the dancer's. The joints, in this order: {JOINTS}.",
        min_length=2,
    )
    fps: float | None = Field(None, description="Frames a second; this or time_s.")
    time_s: list[float] | None = Field(None, description="[frames] seconds, growing; or fps.")
    scores: list[list[float | None]] | None = Field(
        None, description="[frames][14] in 0..1, the estimator's certainty; 1 when not given."
    )
    joints: JointDefinition = Field(
        "estimator",
        description="Refined joints as the estimator defines them, or as the annotators of the "
        "training clips do.",
    )


class ForecastRequest(TrackRequest):
    """The same, for a forecast."""

    after: Literal["last", "every"] = Field(
        "last",
        description="A forecast after the last frame with a joint alone, from the 4 s before it; "
        "or one every tenth of a second, from a whole second before on.",
    )


class Answer(BaseModel):
    """What every answer says."""

    units: Literal["pixels"] = "pixels"
    skeleton: str = DANCE_14.id
    joints: list[str] = Field(default_factory=lambda: list(DANCE_14.names))
    models: dict[str, str] = Field(description="What made the poses, by task.")


class Refined(Answer):
    """Refined poses."""

    time_s: list[float] = Field(description="[frames] seconds")
    keypoints: list[list[Point | None]] = Field(
        description="[frames][14][x, y] in pixels; null where nobody was seen for half a second."
    )


class ForecastPose(BaseModel):
    """The poses that follow one frame."""

    frame: int = Field(description="Of the track, from 0: the last that the forecast knows.")
    time_s: float
    keypoints: list[list[Point | None]] = Field(
        description="[10][14][x, y] in pixels, by ahead_ms; null for a joint that was not seen in "
        "the half second before the frame."
    )


class Forecasts(Answer):
    """Forecasts."""

    ahead_ms: list[int] = Field(description="[10] milliseconds after the frame, 40 to 400.")
    forecasts: list[ForecastPose]


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"] = "ok"
    version: str
    models: dict[str, str]


class Problem(BaseModel):
    """Why a request was not answered."""

    error: str
    frame: int | None = None
    joint: str | None = None
