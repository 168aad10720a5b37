"""Every trained network of the comparison, declared once: :data:`ROWS`.

To add a row, add an entry here; its asset, its place in the tables and in the profiles follow.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from dance_models.config import (
    DmgnnConfig,
    EqMotionConfig,
    Experiment,
    FrameMlpConfig,
    HbrnnConfig,
    HrnetExperiment,
    MkffStGcnConfig,
    PredictionExperiment,
    RecognitionExperiment,
    SimlpeConfig,
    SmoothNetConfig,
    StgaNetConfig,
    StGcnConfig,
    TGcnConfig,
    TrainingConfig,
    TrajGcnConfig,
)
from dance_models.errors import InputError
from dance_models.recipes import (
    ABLATION_SEEDS,
    ABLATION_SHARE,
    FORECAST_TUNED,
    HRNET,
    MKFF,
    MKFF_AS_PRINTED,
    MKFF_TUNED,
    PAPER_RECIPE_SHORT,
    SIMLPE_TUNED,
    STGA,
    STGA_AS_PRINTED,
    STGA_TUNED,
    TRAJ_GCN_TUNED,
    at_share,
    on_annotations,
    shortened,
    without_augmentation,
)
from dance_models.skeleton import DANCE_14

Task = Literal["recognition", "prediction"]
TASKS: Final[tuple[Task, ...]] = ("recognition", "prediction")
Kind = Literal[
    "headline",  # the two networks of the paper, with the tuned recipe
    "baseline",  # another published network
    "as_printed",  # a headline network as the paper prints it
    "frame_split",  # demonstrates a leak; evaluated apart, on its own frames
    "ablation",  # a headline network without one of its parts, trained for a share of its steps
    "whole",  # the headline network trained as its ablations are, for comparison with them
    "seed",  # a headline network from another seed; reports average over the seeds
    "annotated",  # a forecaster trained on annotated windows alone
    "pretrained",  # fine-tuned from weights that were pre-trained on motion
]
# Trained on the folds too, when folds are requested: the fixed split has too few takes for a test.
# Rows as printed and further seeds of the headline are on the fixed split alone.
_FOLDED: Final = frozenset[Kind](
    {"headline", "baseline", "annotated", "ablation", "whole", "pretrained"}
)
# Rows of no profile: trained with ``--ablations`` alone.
_ABLATIONS: Final = frozenset[Kind]({"ablation", "whole", "seed", "annotated"})
# Trained for a share of the steps, on each fold from several seeds; compared with each other alone.
_SHORT: Final = frozenset[Kind]({"ablation", "whole"})


@dataclass(frozen=True)
class Row:
    """One trained network of the comparison; a profile may change the experiment's length."""

    id: str  # the method of the tables, e.g. "stga_net.no_b"
    kind: Kind
    description: str
    experiment: Experiment  # in profile study
    base: str | None = None  # id of the row that this one varies

    @property
    def task(self) -> Task:
        """Of the experiment."""
        return "prediction" if isinstance(self.experiment, PredictionExperiment) else "recognition"

    @property
    def network(self) -> str:
        """Id of the row that this one varies; its own id when it varies none."""
        return self.base or self.id

    @property
    def asset(self) -> str:
        """The Dagster asset that trains it."""
        return self.id.replace(".", "_")

    @property
    def folded(self) -> bool:
        """Whether it is trained on every grouped fold too, when folds are requested."""
        return self.kind in _FOLDED

    @property
    def ablation(self) -> bool:
        """Whether it is a row with ``--ablations`` alone."""
        return self.kind in _ABLATIONS

    @property
    def short(self) -> bool:
        """Whether it is an ablation, or the whole network that ablations are compared with."""
        return self.kind in _SHORT

    @property
    def whole(self) -> str | None:
        """Id of the row that an ablation is compared with; None for other rows."""
        return f"{self.base}.whole" if self.kind == "ablation" else None

    @property
    def needs_crops(self) -> bool:
        """Whether it reads the person crops."""
        return isinstance(self.experiment, HrnetExperiment)

    @property
    def seed(self) -> int:
        """Which further seed of its base it is: 1, 2, ...; 0 for all other rows."""
        return self.experiment.training.seed if self.kind == "seed" else 0

    @property
    def pretraining_asset(self) -> str | None:
        """The Dagster asset whose weights it starts from; None for random weights."""
        return f"pretrained_{self.base}" if self.kind == "pretrained" else None


def _mkff(
    variant: str,
    kind: Kind,
    description: str,
    net: MkffStGcnConfig = MKFF,
    training: TrainingConfig = MKFF_TUNED,
) -> Row:
    """A variant of MKFF-ST-GCN."""
    experiment = RecognitionExperiment(net, training)
    if kind in _SHORT:
        experiment = replace(
            experiment, training=at_share(training, ABLATION_SHARE), seeds=ABLATION_SEEDS
        )
    return Row(f"mkff_st_gcn.{variant}", kind, description, experiment, "mkff_st_gcn")


def _stga(
    variant: str,
    kind: Kind,
    description: str,
    net: StgaNetConfig = STGA,
    training: TrainingConfig = STGA_TUNED,
) -> Row:
    """A variant of STGA-Net."""
    experiment = PredictionExperiment(net, training)
    if kind in _SHORT:
        experiment = replace(
            experiment, training=at_share(training, ABLATION_SHARE), seeds=ABLATION_SEEDS
        )
    return Row(f"stga_net.{variant}", kind, description, experiment, "stga_net")


_RECOGNITION: Final = (
    Row(
        "smoothnet",
        "baseline",
        "SmoothNet-style: a residual MLP over time that does not know the skeleton.",
        RecognitionExperiment(SmoothNetConfig(), shortened(MKFF_TUNED, 6, 1e-3)),
    ),
    Row(
        "hbrnn",
        "baseline",
        "HBRNN: bidirectional recurrent layers over five body parts, fused step by step.",
        RecognitionExperiment(HbrnnConfig(), shortened(MKFF_TUNED, 10, 2e-3)),
    ),
    Row(
        "hrnet",
        "baseline",
        "HRNet, small, on person crops: a single image, no motion; of the estimate it uses the "
        "box alone.\n\n"
        "From scratch (no ImageNet weights): in profile study 1,600 batches of 16 training crops, "
        "about four minutes on one core.",
        HRNET,
    ),
    Row(
        "st_gcn",
        "baseline",
        "ST-GCN without MKFF, on the same input as MKFF-ST-GCN.",
        RecognitionExperiment(
            StGcnConfig(landmarks=DANCE_14.num_landmarks, evidence=True), MKFF_TUNED
        ),
    ),
    Row(
        "mlp",
        "baseline",
        "An MLP on the same input as MKFF-ST-GCN, frame by frame: no graph and no motion.",
        RecognitionExperiment(
            FrameMlpConfig(landmarks=DANCE_14.num_landmarks, evidence=True), MKFF_TUNED
        ),
    ),
    _mkff(
        "paper",
        "as_printed",
        "MKFF-ST-GCN as printed, with the paper's recipe (in profile study 1,600 steps of it).",
        MKFF_AS_PRINTED,
        PAPER_RECIPE_SHORT,
    ),
    _mkff(
        "faithful",
        "as_printed",
        "MKFF-ST-GCN as printed (14 keypoints alone), tuned recipe.",
        MKFF_AS_PRINTED,
        shortened(MKFF_TUNED, 6),
    ),
    _mkff(
        "frame_split",
        "frame_split",
        "Demonstration of a leak: trained on four of five frames of the test clips as well.",
    ),
    _mkff(
        "whole",
        "whole",
        "MKFF-ST-GCN trained as long as its ablations, which are compared with it.",
    ),
    _mkff(
        "causal",
        "ablation",
        "MKFF-ST-GCN that sees no future frame.",
        replace(MKFF, causal=True),
    ),
    _mkff(
        "no_kinematics",
        "ablation",
        "Ablation: velocity and acceleration read zero.",
        replace(MKFF, use_kinematics=False),
    ),
    _mkff(
        "no_attention",
        "ablation",
        "Ablation: no attention blocks.",
        replace(MKFF, attention_blocks=0),
    ),
    _mkff(
        "top_k",
        "ablation",
        "Ablation: with the top-k term of the printed loss.",
        replace(MKFF, top_k_weight=1.0),
    ),
    _mkff(
        "no_landmarks",
        "ablation",
        "Ablation: the estimator's other landmarks are not read.",
        replace(MKFF, landmarks=0),
    ),
    _mkff(
        "no_evidence",
        "ablation",
        "Ablation: of the estimator the positions and the confidence alone are read.",
        replace(MKFF, evidence=False),
    ),
    _mkff(
        "no_augmentation",
        "ablation",
        "Ablation: the recipe without geometry and joint masking.",
        training=without_augmentation(MKFF_TUNED),
    ),
    _mkff(
        "seed_1",
        "seed",
        "MKFF-ST-GCN from another seed.",
        training=replace(MKFF_TUNED, seed=1),
    ),
    _mkff(
        "seed_2",
        "seed",
        "MKFF-ST-GCN from a third seed.",
        training=replace(MKFF_TUNED, seed=2),
    ),
    _mkff(
        "pretrained",
        "pretrained",
        "MKFF-ST-GCN fine-tuned from weights pre-trained on motion.",
    ),
    Row(
        "mkff_st_gcn",
        "headline",
        "MKFF-ST-GCN, the recognition network: refines the keypoints of the estimator.\n\n"
        "Keypoint flow, velocity and acceleration with attention on top of ST-GCN.",
        RecognitionExperiment(MKFF, MKFF_TUNED),
    ),
)

_PREDICTION: Final = (
    Row(
        "t_gcn",
        "baseline",
        "T-GCN as published: a graph convolution in a GRU cell, absolute output.",
        PredictionExperiment(TGcnConfig(), shortened(FORECAST_TUNED, 6)),
    ),
    Row(
        "t_gcn_residual",
        "baseline",
        "T-GCN whose output is an offset from the last pose.",
        PredictionExperiment(TGcnConfig(output="residual"), shortened(FORECAST_TUNED, 6)),
    ),
    Row(
        "t_gcn_velocity",
        "baseline",
        "T-GCN that reads velocity and adds its output to the damped velocity.",
        PredictionExperiment(TGcnConfig(output="velocity"), shortened(FORECAST_TUNED, 6)),
    ),
    Row(
        "dmgnn",
        "baseline",
        "DMGNN: three scales, three difference orders, a G-GRU decoder.",
        PredictionExperiment(DmgnnConfig(), shortened(FORECAST_TUNED, 8)),
    ),
    Row(
        "traj_gcn",
        "baseline",
        "Traj-GCN: graph convolutions with free adjacency over the DCT of trajectories.",
        PredictionExperiment(TrajGcnConfig(), TRAJ_GCN_TUNED),
    ),
    Row(
        "simlpe",
        "baseline",
        "siMLPe-style: DCT and a residual MLP over time.",
        PredictionExperiment(SimlpeConfig(), SIMLPE_TUNED),
    ),
    Row(
        "eqmotion",
        "baseline",
        "EqMotion-style: a forecast that turns with the observed motion.",
        PredictionExperiment(EqMotionConfig(), shortened(FORECAST_TUNED, 8, 1e-3)),
    ),
    Row(
        "simlpe.annotated",
        "annotated",
        "siMLPe-style trained on annotated windows alone, for forecasts from annotated poses.",
        PredictionExperiment(SimlpeConfig(), on_annotations(SIMLPE_TUNED)),
        "simlpe",
    ),
    _stga(
        "paper",
        "as_printed",
        "STGA-Net as printed, with the paper's recipe (in profile study 1,600 steps of it).",
        STGA_AS_PRINTED,
        PAPER_RECIPE_SHORT,
    ),
    _stga(
        "faithful",
        "as_printed",
        "STGA-Net as printed (positions in, no velocity residual), tuned recipe.",
        STGA_AS_PRINTED,
        shortened(STGA_TUNED, 8),
    ),
    _stga(
        "whole",
        "whole",
        "STGA-Net trained as long as its ablations, which are compared with it.",
    ),
    # With these hidden widths each variant has about as many parameters as the whole network.
    _stga(
        "gcn",
        "ablation",
        "Ablation: a fixed graph in place of graph attention, in the decoder too.",
        replace(STGA, graph="gcn", free_decoder=False, hidden=175),
    ),
    _stga(
        "local_sym",
        "ablation",
        "Ablation: local attention over mirror joints alone.",
        replace(STGA, graph="local-sym", hidden=160),
    ),
    _stga(
        "local_distal",
        "ablation",
        "Ablation: local attention over the skeleton alone.",
        replace(STGA, graph="local-distal", hidden=160),
    ),
    _stga(
        "local",
        "ablation",
        "Ablation: local attention without the global one.",
        replace(STGA, graph="local", hidden=144),
    ),
    _stga(
        "global",
        "ablation",
        "Ablation: global attention without the local one.",
        replace(STGA, graph="global", hidden=168),
    ),
    _stga(
        "no_b",
        "ablation",
        "Ablation: global attention without B_k, computed from the features.",
        replace(STGA, use_b=False, hidden=132),
    ),
    _stga(
        "no_c",
        "ablation",
        "Ablation: global attention without C_k, the free matrix.",
        replace(STGA, use_c=False),
    ),
    _stga(
        "no_augmentation",
        "ablation",
        "Ablation: the recipe without geometry and reversed time.",
        training=without_augmentation(STGA_TUNED),
    ),
    _stga(
        "annotated",
        "annotated",
        "STGA-Net trained on annotated windows alone, for forecasts from annotated poses.",
        training=on_annotations(STGA_TUNED),
    ),
    _stga(
        "seed_1",
        "seed",
        "STGA-Net from another seed.",
        training=replace(STGA_TUNED, seed=1),
    ),
    _stga(
        "seed_2",
        "seed",
        "STGA-Net from a third seed.",
        training=replace(STGA_TUNED, seed=2),
    ),
    _stga(
        "pretrained",
        "pretrained",
        "STGA-Net fine-tuned from weights pre-trained on motion.",
    ),
    Row(
        "stga_net",
        "headline",
        "STGA-Net, the prediction network: the next 400 ms from the last 1.08 s.\n\n"
        "Local and global graph attention, dilated temporal convolutions, a G-GRU decoder.",
        PredictionExperiment(STGA, STGA_TUNED),
    ),
)

ROWS: Final = (*_RECOGNITION, *_PREDICTION)  # in the order of the tables
HEADLINE: Final = tuple(row.id for row in ROWS if row.kind == "headline")
SHORT: Final = tuple(row.id for row in ROWS if row.short)
FRAME_SPLIT: Final = next(row for row in ROWS if row.kind == "frame_split")

_ROW_OF_ID: Final = {row.id: row for row in ROWS}
ROW_OF_ASSET: Final = {row.asset: row for row in ROWS}
# Pre-training asset -> the row whose network and recipe it trains on motion.
ROW_OF_PRETRAINING: Final = {
    row.pretraining_asset: _ROW_OF_ID[row.network] for row in ROWS if row.pretraining_asset
}


def row_of(method: str) -> Row:
    """The row of that id. Raises InputError, naming the ids there are."""
    if method not in _ROW_OF_ID:
        raise InputError(f"there is no row {method!r}", hint=f"Known: {', '.join(_ROW_OF_ID)}")
    return _ROW_OF_ID[method]


def rows_of(task: Task) -> tuple[Row, ...]:
    """The rows of one task, in the order of the tables."""
    return tuple(row for row in ROWS if row.task == task)
