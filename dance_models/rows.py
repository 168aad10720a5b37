"""Every network that is a row of a table: its method id and what it is, in the order of print."""

from typing import Final

RECOGNITION_NETWORKS: Final[dict[str, str]] = {
    "smoothnet": "SmoothNet-style: a residual MLP over time, blind to the body.",
    "hbrnn": "HBRNN: bidirectional recurrent layers over five body parts, fused step by step.",
    "hrnet": (
        "HRNet, small, on person crops: one picture, no motion and no estimate but its box.\n\n"
        "From scratch (no ImageNet weights): in profile study 1,600 batches of 16 training crops, "
        "about four minutes on one core."
    ),
    "st_gcn": "ST-GCN without MKFF, on the same input as MKFF-ST-GCN.",
    "mkff_st_gcn.paper": "MKFF-ST-GCN as printed, trained with the paper's recipe.",
    "mkff_st_gcn.faithful": "MKFF-ST-GCN as printed (14 keypoints alone), tuned recipe.",
    "mkff_st_gcn.frame_split": (
        "Demonstration of a leak: trained on four of five frames of the test clips as well."
    ),
    "mkff_st_gcn.causal": "MKFF-ST-GCN that sees no future frame.",
    "mkff_st_gcn.no_kinematics": "Ablation: velocity and acceleration read zero.",
    "mkff_st_gcn.no_attention": "Ablation: no attention blocks.",
    "mkff_st_gcn.no_top_k": "Ablation: no top-k term in the loss.",
    "mkff_st_gcn.no_landmarks": "Ablation: the estimator's other landmarks are not read.",
    "mkff_st_gcn.no_augmentation": "Ablation: the recipe without geometry and joint masking.",
    "mkff_st_gcn.seed_1": "MKFF-ST-GCN from another seed.",
    "mkff_st_gcn.seed_2": "MKFF-ST-GCN from a third seed.",
    "mkff_st_gcn.pretrained": "MKFF-ST-GCN fine-tuned from weights pre-trained on motion.",
    "mkff_st_gcn": (
        "MKFF-ST-GCN, the recognition network: refines the keypoints of the estimator.\n\n"
        "Keypoint flow, velocity and acceleration with attention on top of ST-GCN."
    ),
}
PREDICTION_NETWORKS: Final[dict[str, str]] = {
    "t_gcn": "T-GCN as published: a graph convolution in a GRU cell, absolute output.",
    "t_gcn_residual": "T-GCN whose output is an offset from the last pose.",
    "t_gcn_velocity": "T-GCN that reads velocity and goes on from the damped velocity.",
    "dmgnn": "DMGNN: three scales, three difference orders, a G-GRU decoder.",
    "traj_gcn": "Traj-GCN: graph convolutions with free adjacency over the DCT of trajectories.",
    "simlpe": "siMLPe-style: DCT and a residual MLP over time.",
    "traj_gcn.estimated": "Traj-GCN on the windows of stga_net.estimated: its control.",
    "simlpe.estimated": "siMLPe-style on the windows of stga_net.estimated: its control.",
    "stga_net.paper": "STGA-Net as printed, trained with the paper's recipe.",
    "stga_net.faithful": "STGA-Net as printed (positions in, no velocity residual), tuned recipe.",
    "stga_net.gcn": "Ablation: a fixed graph in place of graph attention.",
    "stga_net.local_sym": "Ablation: local attention over mirror joints alone.",
    "stga_net.local_distal": "Ablation: local attention over the skeleton alone.",
    "stga_net.local": "Ablation: local attention without the global one.",
    "stga_net.global": "Ablation: global attention without the local one.",
    "stga_net.no_b": "Ablation: global attention without B_k, computed from the features.",
    "stga_net.no_c": "Ablation: global attention without C_k, the free matrix.",
    "stga_net.no_augmentation": "Ablation: the recipe without geometry and reversed time.",
    "stga_net.estimated": (
        "For poses that nobody annotated: half of the training windows show the past as the "
        "estimator saw it."
    ),
    "stga_net.seed_1": "STGA-Net from another seed.",
    "stga_net.seed_2": "STGA-Net from a third seed.",
    "stga_net.pretrained": "STGA-Net fine-tuned from weights pre-trained on motion.",
    "stga_net": (
        "STGA-Net, the prediction network: the next 400 ms from the last 1.08 s.\n\n"
        "Local and global graph attention, dilated temporal convolutions, a G-GRU decoder."
    ),
}
NETWORKS: Final[dict[str, str]] = {**RECOGNITION_NETWORKS, **PREDICTION_NETWORKS}

# Judged by itself, on frames that no other row is judged on.
FRAME_SPLIT: Final = "mkff_st_gcn.frame_split"
CROP_NETWORKS: Final = ("hrnet",)  # those that see pictures, and need the person crops

ABLATIONS: Final = (
    "mkff_st_gcn.causal",
    "mkff_st_gcn.no_kinematics",
    "mkff_st_gcn.no_attention",
    "mkff_st_gcn.no_top_k",
    "mkff_st_gcn.no_landmarks",
    "mkff_st_gcn.no_augmentation",
    "mkff_st_gcn.seed_1",
    "mkff_st_gcn.seed_2",
    "stga_net.gcn",
    "stga_net.local_sym",
    "stga_net.local_distal",
    "stga_net.local",
    "stga_net.global",
    "stga_net.no_b",
    "stga_net.no_c",
    "stga_net.no_augmentation",
    "stga_net.estimated",
    "traj_gcn.estimated",
    "simlpe.estimated",
    "stga_net.seed_1",
    "stga_net.seed_2",
)

# Other variants are compared on the fixed split alone: there are many. What these are for,
# forecasts from raw poses, is what the headline network loses in cross-validation; and is it the
# network that wins them then, or the windows it was shown?
FOLDED_VARIANTS: Final = ("stga_net.estimated", "traj_gcn.estimated", "simlpe.estimated")

# The rows that start from pre-trained weights, and the network of each. They are rows of any
# profile once there is motion to pre-train on.
PRETRAINED: Final = {"mkff_st_gcn.pretrained": "mkff_st_gcn", "stga_net.pretrained": "stga_net"}


def seed_of(method: str) -> tuple[str, int]:
    """The network of a method id and its seed, which is 0 unless the id ends in ``.seed_N``."""
    network, _, seed = method.partition(".seed_")
    return network, int(seed or 0)


def asset_name(method: str) -> str:
    """The Dagster asset of a method; a dot separates a variant from its network."""
    return method.replace(".", "_")


def pretraining_asset(network: str) -> str:
    """The Dagster asset that pre-trains a network on motion."""
    return f"pretrained_{network}"


METHOD_OF_ASSET: Final[dict[str, str]] = {asset_name(method): method for method in NETWORKS}
# Pre-training asset -> the network it trains; fine-tuned asset -> the pre-training it starts from.
PRETRAININGS: Final = {pretraining_asset(network): network for network in PRETRAINED.values()}
INITIAL: Final = {asset_name(m): pretraining_asset(network) for m, network in PRETRAINED.items()}
