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
    "mkff_st_gcn.causal": "MKFF-ST-GCN that sees no future frame.",
    "mkff_st_gcn.no_kinematics": "Ablation: velocity and acceleration read zero.",
    "mkff_st_gcn.no_attention": "Ablation: no attention blocks.",
    "mkff_st_gcn.no_top_k": "Ablation: no top-k term in the loss.",
    "mkff_st_gcn.no_landmarks": "Ablation: the estimator's other landmarks are not read.",
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
    "stga_net.paper": "STGA-Net as printed, trained with the paper's recipe.",
    "stga_net.faithful": "STGA-Net as printed (positions in, no velocity residual), tuned recipe.",
    "stga_net.gcn": "Ablation: a fixed graph in place of graph attention.",
    "stga_net.local_sym": "Ablation: local attention over mirror joints alone.",
    "stga_net.local_distal": "Ablation: local attention over the skeleton alone.",
    "stga_net.local": "Ablation: local attention without the global one.",
    "stga_net.global": "Ablation: global attention without the local one.",
    "stga_net.no_b": "Ablation: global attention without B_k, computed from the features.",
    "stga_net.no_c": "Ablation: global attention without C_k, the free matrix.",
    "stga_net": (
        "STGA-Net, the prediction network: the next 400 ms from the last 1.08 s.\n\n"
        "Local and global graph attention, dilated temporal convolutions, a G-GRU decoder."
    ),
}
NETWORKS: Final[dict[str, str]] = {**RECOGNITION_NETWORKS, **PREDICTION_NETWORKS}

CROP_NETWORKS: Final = ("hrnet",)  # those that see pictures, and need the person crops

ABLATIONS: Final = (
    "mkff_st_gcn.causal",
    "mkff_st_gcn.no_kinematics",
    "mkff_st_gcn.no_attention",
    "mkff_st_gcn.no_top_k",
    "mkff_st_gcn.no_landmarks",
    "stga_net.gcn",
    "stga_net.local_sym",
    "stga_net.local_distal",
    "stga_net.local",
    "stga_net.global",
    "stga_net.no_b",
    "stga_net.no_c",
)


def asset_name(method: str) -> str:
    """The Dagster asset of a method; a dot separates a variant from its network."""
    return method.replace(".", "_")


METHOD_OF_ASSET: Final[dict[str, str]] = {asset_name(method): method for method in NETWORKS}
