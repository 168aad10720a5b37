"""All configuration, as frozen dataclasses with their defaults and units.

Dagster's config and the command line mirror these; no other module holds a default. Light to
import: no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Whose definition of the joints refined poses have: see dance_models.inference.definitions.
JointDefinition = Literal["annotation", "estimator"]

Value = TypeVar("Value")
Config = TypeVar("Config", bound="DataclassInstance")
_WAS: Final = "was"


def _added(default: Value, *, was: Value) -> Value:
    """A setting that was added after networks had been trained without it.

    ``was`` is the value that those networks were trained with in effect. It never changes, even
    when ``default`` does: :func:`identity` leaves the setting out where it has this value.
    """
    value: Value = field(default=default, metadata={_WAS: was})
    return value


def identity(config: Any) -> dict[str, Any]:
    """What distinguishes a configuration (a dataclass) from others: its fields, nested ones too.

    A setting that was added later is left out while it has the value of the time before it
    existed. So what was made then still counts as made with this configuration.
    """
    found = {}
    for entry in fields(config):
        value = getattr(config, entry.name)
        if _WAS in entry.metadata and value == entry.metadata[_WAS]:
            continue
        found[entry.name] = identity(value) if is_dataclass(value) else value
    return found


def from_identity(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The configuration of class ``kind`` with this :func:`identity`, where no field is nested.

    A setting that is left out gets the value of the time before it existed, not its default of
    today. Lists become tuples again.
    """
    found = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    for entry in fields(kind):
        if _WAS in entry.metadata:
            found.setdefault(entry.name, entry.metadata[_WAS])
    return kind(**found)


@dataclass(frozen=True)
class SamplingConfig:
    """Which frames of the clips are kept (docs/method.md, "Frame budget")."""

    frame_budget: int = 8000  # over all clips
    max_frames_per_clip: int | None = None  # of one clip; None: only the budget limits it
    # Seconds. A forecast's window is 1.44 s, so shorter runs hold no window, or few.
    min_run_s: float = 1.6
    # one long run, or short ones spread evenly or where most moves
    strategy: Literal["runs", "uniform", "motion"] = "runs"
    jpeg_quality: int = 92  # of the stored frames, 0-100


@dataclass(frozen=True)
class EstimatorConfig:
    """The off-the-shelf estimator whose keypoints the recognition network refines."""

    name: Literal["blazepose", "precomputed", "onnx"] = "blazepose"  # precomputed: from files
    # None: the largest; else rank by size at the start of a run, 0 = largest. In a whole video,
    # dance_models.estimators.people chooses instead.
    person: int | None = None
    min_detection: float = 0.5  # confidence from which on a person counts as found
    min_presence: float = 0.5  # confidence from which on a person is followed to the next frame
    # BlazePose: a second pass on the mirrored crop, whose disagreement is evidence of errors
    mirrored_pass: bool = _added(False, was=False)
    # BlazePose: a pose whose body has turned impossibly far in a frame is looked for again
    axis_check: bool = _added(False, was=False)
    precomputed_dir: str | None = None  # for "precomputed": one file or folder a clip
    # for "precomputed": the order of joints without names; None: as the files look
    pose_model: str | None = _added(None, was=None)
    onnx_description: str | None = None  # for "onnx": the JSON that describes the model
    threads: int = 1  # of one estimator; clips run side by side


@dataclass(frozen=True)
class PeopleConfig:
    """Finding the people in a video and telling them apart, before one of them is chosen."""

    looks_per_second: float = 10.0  # frames that the finder sees; the video's own rate at most
    input_side: int = 256  # longest side of the picture that MoveNet sees, pixels
    min_score: float = 0.2  # of MoveNet, from which on somebody counts as seen
    # Who is seen less than this, as a share of who is seen most, is nobody to choose.
    least_share: float = 0.25


@dataclass(frozen=True)
class SplitConfig:
    """70/15/15 by group, and grouped folds over all clips."""

    train: float = 0.70  # share of the takes; the three sum to 1
    val: float = 0.15  # share of the takes
    test: float = 0.15  # share of the takes
    folds: int = 5  # grouped folds over all clips, 2 or more
    seed: int = 0  # of the order of the takes


@dataclass(frozen=True)
class AugmentConfig:
    """The stored augmentation of the training split: one draw per run and variant."""

    variants: int = 2  # copies of each training run
    rotation_deg: float = 15.0  # largest angle, either way
    scale: tuple[float, float] = (0.85, 1.15)  # smallest and largest factor
    flip_probability: float = 0.5  # of a mirrored copy
    keypoint_jitter: float = 0.01  # standard deviation, fraction of the median torso
    keypoint_dropout: float = 0.02  # probability that the estimate lacks a joint in a frame
    seed: int = 0  # of all draws


@dataclass(frozen=True)
class RefinerConfig:
    """Shared by all recognition networks that read poses: window, input, loss."""

    window: int = 11  # frames
    causal: bool = False  # the refined frame is the last of the window, not its centre
    sample_interval: int = 1  # N: every N-th frame is observed
    kinematics_of_flow: bool = False  # velocity of F ("based on the keypoint flow") instead of P
    landmarks: int = 0  # extra estimator landmarks as input (BlazePose: 33), 0 = none
    evidence: bool = _added(False, was=False)  # the estimator's evidence for each joint as input
    undo_exchanges: bool = _added(True, was=False)  # restore exchanged sides before refining
    # Frames a second that the network sees: a faster run is refined as interleaved slower ones.
    frame_rate: float = _added(30.0, was=0.0)  # 0: any
    test_mirror: bool = True  # at test time, average with the refinement of the mirrored run
    top_k: int = 7  # joints with the largest error that the term of Eq 10 counts
    top_k_weight: float = 0.0  # lambda of Eq 10; 1 as printed


@dataclass(frozen=True)
class MkffStGcnConfig(RefinerConfig):
    """MKFF-ST-GCN (docs/method.md, "MKFF-ST-GCN")."""

    spatial_channels: int = 64  # of the spatial blocks
    spatial_blocks: int = 3  # graph convolutions on the poses
    temporal_kernel: int = 9  # frames
    kinematic_channels: int = 128  # C
    attention_blocks: int = 3  # after the fusion
    attention_heads: int = 4  # of each block
    dropout: float = 0.1  # probability
    residual_on_flow: bool = False  # P_hat = F + delta instead of P + delta
    use_confidence: bool = True  # the estimator's confidence is an input
    use_kinematics: bool = True  # off: velocity and acceleration read zero (ablation)
    style_classes: int = 0  # optional style head, 0 = none
    uncertainty: bool = _added(False, was=False)  # predict each joint's error scale (Laplace)


@dataclass(frozen=True)
class StGcnConfig(RefinerConfig):
    """ST-GCN without MKFF: as many blocks as MKFF-ST-GCN, and no velocity and acceleration."""

    channels: int = 64  # of every block
    blocks: int = 4  # spatial and temporal convolution each
    temporal_kernel: int = 9  # frames
    dropout: float = 0.1  # probability


@dataclass(frozen=True)
class SmoothNetConfig(RefinerConfig):
    """SmoothNet-style: a residual MLP over time, the same for every coordinate."""

    hidden: int = 512  # units of the wide layers
    bottleneck: int = 128  # units between two wide layers
    blocks: int = 3  # residual
    dropout: float = 0.1  # probability


@dataclass(frozen=True)
class HbrnnConfig(RefinerConfig):
    """HBRNN: bidirectional recurrent layers over five body parts, fused step by step."""

    part: int = 32  # units per direction, for each of the five parts
    fused: int = 48  # for a limb fused with the trunk
    half: int = 64  # for the upper and the lower body
    body: int = 96  # for the LSTM of the whole body


@dataclass(frozen=True)
class HrnetConfig:
    """HRNet on person crops. Published: width 32, stem 64, 4 bottlenecks, 4 blocks, (1, 4, 3)."""

    width: int = 16  # channels of the finest branch; doubled in each coarser one
    stem: int = 32  # channels of the first convolutions
    bottlenecks: int = 1  # residual blocks after the stem
    blocks: int = 1  # per branch between two exchanges
    modules: tuple[int, int, int] = (1, 1, 1)  # exchanges of two, three and four branches


@dataclass(frozen=True)
class FrameMlpConfig(RefinerConfig):
    """An MLP on the estimate of one frame: no graph and no time."""

    hidden: int = 256  # units
    blocks: int = 2  # residual
    dropout: float = 0.1  # probability


RecognitionNet = MkffStGcnConfig | StGcnConfig | SmoothNetConfig | HbrnnConfig | FrameMlpConfig


@dataclass(frozen=True)
class StgaNetConfig:
    """STGA-Net (docs/method.md, "STGA-Net")."""

    channels: int = 16  # of the encoder's first layer; each of three blocks doubles them
    hidden: int = 128  # of the encoder's output and the decoder's state
    heads: int = 4  # of the attention
    dropout: float = 0.05  # probability
    # which graphs the encoder has; the rest are ablations
    graph: Literal["gcn", "local-sym", "local-distal", "local", "global", "both"] = "both"
    use_b: bool = True  # B_k, the attention computed from the features
    use_c: bool = True  # C_k, the free joint-by-joint matrix
    kinematic_inputs: bool = True  # p, v, a into the encoder (faithful: p only)
    velocity_residual: bool = True  # p + gamma v + f(H) (faithful: p + f(H))
    gamma: float = 0.7  # initial value, learnable per joint
    dct_inputs: int = _added(0, was=0)  # DCT coefficients that enter the decoder's first state
    # How B_k scores a pair of joints; "additive" ranks the joints alike for every query.
    attention: Literal["dot", "additive"] = _added("dot", was="additive")
    free_decoder: bool = _added(True, was=True)  # the decoder learns its graph (gcn: it does not)


@dataclass(frozen=True)
class SimlpeConfig:
    """siMLPe-style: DCT and a residual MLP over time."""

    blocks: int = 24  # residual


@dataclass(frozen=True)
class TGcnConfig:
    """T-GCN: a graph convolution inside a GRU cell."""

    hidden: int = 64  # units of the cell
    # the pose, its offset from the last one, or its offset from the damped velocity
    output: Literal["absolute", "residual", "velocity"] = "absolute"
    gamma: float = 0.7  # of the velocity variant, learnable per joint


@dataclass(frozen=True)
class TrajGcnConfig:
    """Traj-GCN: graph convolutions with free adjacency over the DCT of trajectories."""

    hidden: int = 128  # features of a joint coordinate
    blocks: int = 6  # residual, of two graph convolutions
    dropout: float = 0.1  # probability
    observed: int = _added(27, was=27)  # frames that are read, the last ones; published: 10


@dataclass(frozen=True)
class DmgnnConfig:
    """DMGNN on 14 joints: three scales, three difference orders, a G-GRU decoder."""

    widths: tuple[int, int, int, int] = (8, 16, 32, 64)  # channels of the encoder's layers
    hidden: int = 128  # of the decoder
    exchange: float = 0.3  # weight of the features of another scale
    merge: float = 0.6  # weight of the coarse scales in the encoder's output
    dropout: float = 0.1  # probability


@dataclass(frozen=True)
class EqMotionConfig:
    """EqMotion: vectors that turn with the pose, weighted by numbers that no rotation changes."""

    channels: int = 32  # geometric features of a joint, vectors
    hidden: int = 64  # of a joint's pattern, numbers
    layers: int = 4  # of the message passing
    categories: int = 4  # of interactions between two joints


PredictionNet = (
    StgaNetConfig | SimlpeConfig | TGcnConfig | TrajGcnConfig | DmgnnConfig | EqMotionConfig
)


@dataclass(frozen=True)
class TrainingConfig:
    """Optimisation. ``steps_per_epoch`` 0 means one pass over the training windows."""

    recipe: Literal["tuned", "paper"] = "tuned"  # whose numbers the others are
    # with weight decay (adamw) or Nesterov momentum (sgd)
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3  # at its highest
    schedule: Literal["cosine", "exponential"] = "cosine"  # how the learning rate falls
    # Multiples of it that short pilot trainings try, validation picks; none: no search.
    rate_factors: tuple[float, ...] = _added((), was=())
    pilot_share: float = _added(0.1, was=0.1)  # of the epochs, for each pilot
    warmup_steps: int = 50  # steps in which the learning rate rises
    decay_per_epoch: float = 0.95  # for "exponential"
    weight_decay: float = 1e-2  # of learnt graphs only with decay_graphs
    batch_size: int = 32  # windows
    epochs: int = 20  # at most
    steps_per_epoch: int = 0  # 0: one pass over the training windows
    patience: int = 0  # epochs without a better validation score; 0 = never stop early
    gradient_clip: float = 1.0  # largest norm of the gradient
    velocity_weight: float = 1.0  # weight of the velocity term in the prediction loss
    ema_decay: float = 0.0  # exponential moving average of the weights, 0 = off
    ema_warmup: bool = _added(True, was=False)  # the decay starts low, so that no start stays in it
    # Weight decay on learnt graphs: it would draw attention masks together, and edges to zero.
    decay_graphs: bool = _added(False, was=True)

    # on-the-fly geometry, drawn once per window
    mirror_probability: float = 0.5  # of a mirrored window
    rotation_rad: float = 0.3  # largest angle, either way
    axis_scale: tuple[float, float] = (0.8, 1.2)  # smallest and largest factor, drawn for each axis
    reverse_probability: float = 0.3  # prediction only
    joint_mask_probability: float = 0.1  # recognition only: a joint is masked for a span
    jitter: float = 0.0  # recognition only: extra noise on the estimate, fraction of torso
    # prediction only: share of windows whose input is the estimate, not the annotation
    estimate_probability: float = _added(0.0, was=0.0)
    seed: int = 0  # of the initial weights and all draws
    threads: int = 1  # of one training on a CPU
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: CUDA where there is one
    devices: int = _added(1, was=1)  # that share each batch; on a CPU, processes
    bf16: bool = _added(False, was=False)  # the forward pass in bfloat16 (autocast)
    cuda_graph: bool = _added(True, was=True)  # on CUDA, replay the captured step
    stacked: bool = _added(True, was=True)  # on CUDA, folds and seeds step as one where they can


@dataclass(frozen=True)
class GpuProofConfig:
    """What ``python -m dance_models gpu-proof`` measures, and for how long."""

    clips: int = 40  # synthetic, in five folds
    frames: int = 200  # of each clip
    profile: str = "paper"  # whose networks are trained
    agreement_steps: int = 60  # of the comparison of the losses with those of the CPU
    agreement_seconds: float = 20.0  # after which the CPU takes no further steps of it
    tolerance: float = 0.005  # largest relative difference of the losses that counts as agreement
    warm_up_steps: int = 16  # before a rate is measured; more than a capture needs
    rate_seconds: float = 4.0  # for which a rate is measured
    profiled_steps: int = 20  # in which the time that kernels run is measured
    folds: int = 5  # trained together
    bf16_steps: int = 400  # of the trainings with and without bfloat16
    epochs: int = 0  # of the whole trainings; 0: as many as the recipe has
    least_seconds: float = 15.0  # that must be left for a part to start
    longest_seconds: float = 120.0  # after which a part that is no training is killed


@dataclass(frozen=True)
class MotionConfig:
    """How motion for pre-training is read. A BVH file states its own frame rate."""

    fps: float = 30.0  # of arrays, of Kinetics-skeleton and of pose JSON
    max_fps: float = 30.0  # motion with a higher rate is subsampled to at most this
    cameras: int = 3  # virtual views of each BVH file
    val_share: float = 0.1  # share of the files that select the pre-trained weights
    seed: int = 0  # of the cameras and the simulated errors


@dataclass(frozen=True)
class CmuProtocolConfig:
    """The motion-prediction benchmark on CMU motion capture (docs/usage/public_protocol.md).

    The first four are the benchmark's. The others say what our networks are trained on.
    """

    history: int = 50  # frames of a test window of which the last ones are observed
    future: int = 25  # frames after them; ten are scored
    windows: int = 8  # test windows an action
    seed: int = 1_234_567_890  # of their starts; every action begins with it anew
    frames_per_action: int = 2500  # longer actions are cut to it, shorter ones repeated
    held_out_stride: int = 3  # frames between the windows of held-out training files


@dataclass(frozen=True)
class RenderedMotionConfig:
    """Captured motion on rendered bodies, seen by the real estimator. 0 pieces: none.

    A piece is one stretch of one take on one body. Each of its views is a clip with a camera,
    costume, background, light and encoding of its own. More pieces leave those before as they are.
    """

    pieces: int = 0  # stretches of motion to render; 0: none
    views: int = 8  # virtual cameras around the dancer; the consensus needs at least 4
    seconds: float = 2.5  # of a piece
    bodies: int = 16  # different bodies, at least one
    lines: tuple[int, int] = (240, 720)  # height of the picture
    figure: tuple[float, float] = (0.35, 1.0)  # height of the standing dancer, picture heights
    crf: tuple[int, int] = (20, 38)  # H.264 quality, higher is worse
    cut: float = 0.15  # share of views with a dancer larger than that, cut by the picture's edge
    props: float = 0.38  # share of views with something standing before the dancer
    passers: float = 0.14  # share of views with something that passes before the dancer
    positions_fps: float = 60.0  # of arrays of joint positions that do not say
    smooth_s: float = 0.5  # standard deviation over which the consensus' offset is averaged
    most_error_m: float = 0.03  # standard error beyond which a consensus is not trusted
    val_share: float = 0.1  # share of the takes that select the pre-trained weights
    seed: int = 0  # of all draws
    workers: int = 0  # processes; 0: one for each core


@dataclass(frozen=True)
class EvaluationConfig:
    """Confidence intervals and windows of the reports."""

    bootstrap_samples: int = 2000  # resamples of the takes behind each interval
    window_stride: int = 2  # frames between prediction windows
    seed: int = 0  # of the resampling
    # Whether joints that annotations lack and that were derived from others count in the scores
    derived_joints: bool = _added(True, was=True)


@dataclass(frozen=True)
class GateConfig:
    """What a trained network must reach on validation before it becomes champion.

    Gains and margins are in points of PCK (recognition) or percent of the torso (prediction).
    """

    cells: tuple[float, ...]  # PCK thresholds, or horizons in ms, that are compared
    floors: tuple[str, ...]  # trivial rows that it must beat in each of them
    champion_margin: float  # upper end of the interval of the loss against the champion
    style_margin: float  # largest loss in any one style
    mirror_percent: float  # largest change of the output for a mirrored input, % of torso
    floor_gain: float = 0.0  # what the interval of the gain over each of them must stay above
    # With five takes no paired test can reach 5 % (2 / 2^5), and intervals are too narrow.
    fewest_takes: int = 6
    latency_ms: float = 40.0  # one window, 95th percentile, one thread: one step at 25 Hz
    require_approval: bool = False  # a person has to tag the version with ``approved_by``
    bootstrap_samples: int = 2000  # resamples of the takes behind each interval
    window_stride: int = 2  # as in EvaluationConfig
    seed: int = 0  # of the resampling
    derived_joints: bool = _added(True, was=True)  # as in EvaluationConfig


RECOGNITION_GATE = GateConfig(
    cells=(0.1,),
    floors=("raw", "calibrated"),
    champion_margin=2.0,
    style_margin=5.0,
    mirror_percent=3.0,
)
PREDICTION_GATE = GateConfig(
    cells=(80.0, 400.0),
    floors=("zero_velocity", "damped_velocity", "ridge"),
    champion_margin=1.0,
    style_margin=2.0,
    mirror_percent=6.0,
)


@dataclass(frozen=True)
class QualityConfig:
    """Limits of the checks on the data. No training depends on them.

    Figures in the comments were measured on clean data: the synthetic demo corpus (18 clips of
    180 frames) and 30 dance clips of 148-450 frames, both with a real estimator.
    """

    # A finding warns. From this share of a clip's frames on, the clip is not used.
    error_share: float = 0.2  # of annotated frames with impossible limbs or jumps
    picture_error_share: float = 0.5  # of sampled frames that are blank or frozen
    swap_error_share: float = 0.5  # of frames in which left and right are exchanged

    # clips
    lost_frames: float = 0.01  # share of the nominal frames; encoders miscount by one or two
    lost_frames_error: float = 0.1  # the file was cut off
    frame_interval: float = 1.75  # of the median interval; a longer one means a dropped frame
    blank_contrast: float = 4.0  # grey levels, standard deviation over the picture; clean: >= 14.9
    frozen_change: float = 0.01  # grey levels from frame to frame; a held pose still has noise
    frozen_s: float = 0.5  # clean: at most 0.33 s with less than twice that change
    duplicate_correlation: float = 0.93  # of moving parts; other dances: at most 0.81

    # annotations and poses
    joint_coverage: float = 0.5  # share of frames in which a joint must be known
    limb_length: float = 2.0  # of its median in the clip; clean: at most 1.70
    limb_floor: float = 0.5  # torso lengths; shorter medians come from foreshortened limbs
    joint_speed: float = 30.0  # torso lengths a second, 15 m/s; clean: 99.9 % below 20
    jump_length: float = 0.5  # torso lengths; at high frame rates, jitter is fast but short
    jump_gap_s: float = 0.1  # annotated frames farther apart are not compared
    swap_gain: float = 0.5  # left and right count as swapped if swapping halves the distance
    swap_distance: float = 0.15  # torso lengths; where all joints are near, either order fits
    swap_frames: int = 6  # in a row; estimators swap sides for up to 4 when a dancer turns
    pose_distance: float = 0.5  # torso lengths, mean over joints, estimate to annotation
    pose_distance_share: float = 0.1  # of a clip's frames may be farther; clean: <= 0.06

    # data set
    shared_motion_percent: float = 4.0  # of the torso; closer windows show the same motion
    shared_motion_share: float = 0.3  # of a clip's windows; clean: at most 0.16
    style_ratio: float = 8.0  # clips of the largest to the smallest style of a split; clean: 4.8

    # models
    pck_threshold: float = 0.05  # torso lengths, of PCK against the raw estimator
    horizons_ms: tuple[int, ...] = (80, 160, 320)  # at which zero velocity must be beaten
    export_difference: float = 1e-4  # between exported program and network, torso lengths


@dataclass(frozen=True)
class RecognitionExperiment:
    """What a training of a recognition network depends on."""

    net: RecognitionNet
    training: TrainingConfig
    folds: bool = False  # train on every grouped fold as well as on the fixed split
    seeds: int = _added(1, was=1)  # trainings of every fold, from ``training.seed``, + 1, ...


@dataclass(frozen=True)
class PredictionExperiment:
    """What a training of a prediction network depends on."""

    net: PredictionNet
    training: TrainingConfig
    folds: bool = False  # train on every grouped fold as well as on the fixed split
    seeds: int = _added(1, was=1)  # trainings of every fold, from ``training.seed``, + 1, ...


@dataclass(frozen=True)
class CropJitterConfig:
    """What is drawn for a person crop in addition to the geometry of ``TrainingConfig``.

    Noise and blur are off by default. Each crop draws its own strength, up to the largest.
    """

    shift: float = 0.06  # largest, fraction of the crop's height
    brightness: float = 0.3  # largest gain of all channels together, over 1
    colour: float = 0.1  # largest gain of one channel, over 1
    blur: float = _added(0.0, was=0.0)  # largest standard deviation of Gaussian blur, crop pixels
    noise: float = _added(0.0, was=0.0)  # largest standard deviation of noise, grey levels of 255


@dataclass(frozen=True)
class HrnetExperiment:
    """What a training of HRNet on person crops depends on."""

    net: HrnetConfig
    training: TrainingConfig
    jitter: CropJitterConfig = field(default_factory=CropJitterConfig)
    folds: bool = False  # train on every grouped fold as well as on the fixed split
    seeds: int = _added(1, was=1)  # trainings of every fold, from ``training.seed``, + 1, ...


def paper_training(epochs: int = 80) -> TrainingConfig:
    """The paper's recipe: SGD 0.01 x 0.95^epoch, Nesterov momentum 0.9, batch 16, 80 epochs."""
    return TrainingConfig(
        recipe="paper",
        optimiser="sgd",
        learning_rate=0.01,
        schedule="exponential",
        warmup_steps=0,
        weight_decay=1e-4,
        batch_size=16,
        epochs=epochs,
    )


Experiment = RecognitionExperiment | PredictionExperiment | HrnetExperiment


@dataclass(frozen=True)
class Profile:
    """The same graph with different numbers."""

    name: str
    networks: Mapping[str, Experiment]  # row id -> what is trained, for every row
    rows: tuple[str, ...]  # ids of the rows that a run trains and reports
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    rendered: RenderedMotionConfig = field(default_factory=RenderedMotionConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    recognition_gate: GateConfig = RECOGNITION_GATE
    prediction_gate: GateConfig = PREDICTION_GATE
    quality: QualityConfig = field(default_factory=QualityConfig)
    candidates: bool = True  # whether its models may become champion without being forced

    @property
    def recognition(self) -> RecognitionExperiment:
        """The experiment of MKFF-ST-GCN."""
        experiment = self.networks["mkff_st_gcn"]
        assert isinstance(experiment, RecognitionExperiment)
        return experiment

    @property
    def prediction(self) -> PredictionExperiment:
        """The experiment of STGA-Net."""
        experiment = self.networks["stga_net"]
        assert isinstance(experiment, PredictionExperiment)
        return experiment


# The difference in degrees between two performances that the estimator's error alone exceeds in one
# of twenty moments: measured on the rendered corpus (docs/usage/compare.md).
ANGLE_FLOOR_DEGREES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "elbow": 22.0,
        "shoulder": 14.0,
        "hip": 10.0,
        "knee": 15.0,
    }
)


@dataclass(frozen=True)
class ComparisonConfig:
    """How two performances are aligned, and what of their differences is reported."""

    grid_s: float = 0.02  # s between the times that are compared
    lag_step_s: float = 0.01  # s, precision of the path before smoothing; divides grid_s
    smoothing_s: float = 0.05  # s, standard deviation, of the bones before they are aligned
    band_s: float = 1.0  # s, the furthest that the practice is looked for about the global offset
    slowest: float = 0.5  # of the reference's speed, at which the practice may go for a moment;
    fastest: float = 2.0  # both in steps of lag_step_s / grid_s
    change_cost: float = 0.4  # of a change of lateness by a second
    path_smoothing_s: float = 0.12  # s, standard deviation, of the path
    velocity_s: float = 0.3  # s by which velocities (a second) count against positions
    cap: float = 0.05  # the largest squared difference of a bone, of its length squared
    least_overlap_s: float = 2.0  # s that both videos must have in common
    least_share: float = 0.5  # of the shorter video, likewise
    least_agreement: float = 0.5  # correlation of the movements below which nothing is compared
    least_sound: float = 0.2  # correlation of the onsets below which the sounds are not one piece
    sound_rival: float = 0.85  # of it, that no other shift may reach
    least_beat: float = 0.1  # autocorrelation of the onsets below which there is no beat
    mirror_margin: float = 0.1  # of that correlation, by which one side must be better
    moving: float = 0.5  # bone lengths/s, root mean square, below which no time can be told
    moving_s: float = 0.5  # s to either side over which that is taken
    angle_smoothing_s: float = 0.12  # s, standard deviation, of the angles that are compared
    least_bone: float = 0.4  # of its length: a bone that looks shorter points at the camera
    least_score: float = 0.5  # of the estimator, of each joint of an angle that is compared
    floor: Mapping[str, float] = field(default_factory=lambda: ANGLE_FLOOR_DEGREES)
    timing_floor_s: float = 0.05  # s, likewise for lateness
    moments: int = 10  # that are shown
    moment_gap_s: float = 1.0  # s between them, at least
    moment_s: float = 0.7  # s over which the median is taken: what lasts half of it is left out
    full_marks_lost: float = 45.0  # degrees above the floor at which a score is 0
    late_marks_lost_s: float = 0.5  # s above the floor, likewise
    view_difference: float = 0.12  # of shoulder and hip width/torso, beyond which cameras differ
    other_order: float = 0.25  # share of frames with left and right the other way, likewise
    range_margin: float = 15.0  # degrees beyond a range that a hint needs, above the floor
    range_share: float = 0.02  # of the times left out at either end of a range


@dataclass(frozen=True)
class ServingConfig:
    """What the HTTP server takes, and for how long it works (docs/usage/serving.md)."""

    most_frames: int = 9000  # of a track or a video: five minutes at 30 frames/s
    most_body_mb: float = 8.0  # of a request with a track, 10^6 bytes
    most_video_mb: float = 200.0  # of a video, likewise
    workers: int = 2  # tracks that are worked on at once, one thread each
    track_s: float = 30.0  # s that a request with a track may take, its waiting included
    video_s: float = 600.0  # s that the estimator may work on a video
    largest_px: float = 100_000.0  # of a coordinate, to either side


@dataclass(frozen=True)
class PageConfig:
    """What the page of ``dance live`` takes for analyzing and comparing (docs/usage/live.md)."""

    most_frames: int = 18_000  # of a video: ten minutes at 30 frames/s
    most_video_mb: float = 1000.0  # of a video, 10^6 bytes
    upload_s: float = 600.0  # s in which a video must have arrived
    most_open: int = 5  # jobs that are not finished
    most_kept: int = 5  # finished jobs whose files are kept until the server ends
