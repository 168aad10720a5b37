"""The pose files that ``--tracks`` reads, and those that are recognised and not read."""

from typing import Final

from dance_models.formats import Format

_DOCS: Final = "its documentation"


def _poses(
    identity: str,
    tool: str,
    export: str,
    suffix: str,
    recognised_by: str,
    reads: str,
    example: str,
    since: str = "0.2.0",
    tested_with: str = _DOCS,
    instead: str = "",
) -> Format:
    return Format(
        id=identity,
        tool=tool,
        export=export,
        content="poses",
        suffixes=(suffix,) if suffix else (),
        recognised_by=recognised_by,
        reads=reads,
        example=example,
        since=since,
        tested_with=tested_with,
        instead=instead,
    )


POSE_FORMATS: Final[tuple[Format, ...]] = (
    _poses(
        *("own-json", "this package", "dance analyze", ".json"),
        "the keys joints and frames",
        "joints by name, several people",
        '{"joints": ["nose", ...], "frames": [{"frame": 12, "keypoints": [[x, y, score], ...]}]}',
        since="0.1.0",
        tested_with="this version",
    ),
    _poses(
        *("openpose-json", "OpenPose, Pose2Sim, Sports2D, ControlNet", "--write_json", ".json"),
        "the key people; the number of joints tells BODY_25, BODY_25B, BODY_19, BODY_135, COCO-18, "
        "MPI-15, HALPE_26 and whole-body 133 apart, and the bones where it does not",
        "one file a frame or one file a clip, several people, pose_keypoints too; no hands or face",
        '{"people": [{"pose_keypoints_2d": [x, y, score, ...]}]}',
        since="0.1.0",
        tested_with="OpenPose 1.7 (BODY_25); the others its documentation",
    ),
    _poses(
        *("alphapose", "AlphaPose", "alphapose-results.json", ".json"),
        "a list with image_id, keypoints, and box or idx",
        "17, 26, 68 and 136 joints, several people",
        '[{"image_id": "12.jpg", "keypoints": [x, y, score, ...], "score": 2.9, "idx": 1}]',
    ),
    _poses(
        *("alphapose-cmu", "AlphaPose", "--format cmu or open, and sep-json", ".json"),
        "an object of image names, with bodies or people",
        "18 joints, several people",
        '{"12.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": [x, y, score, ...]}]}}',
    ),
    _poses(
        *("coco-results", "HRNet, Detectron2, MMPose", "COCO results", ".json"),
        "a list with image_id and keypoints",
        "17 joints or another known number; image_id is the frame or its image's name",
        '[{"image_id": 12, "category_id": 1, "keypoints": [x, y, score, ...], "score": 0.9}]',
        since="0.1.0",
    ),
    _poses(
        *("coco-keypoints", "COCO", "keypoints JSON", ".json"),
        "the keys images and annotations",
        "joints by the names of the category, several people",
        '{"images": [...], "annotations": [...], "categories": [{"keypoints": [...]}]}',
        since="0.1.0",
    ),
    _poses(
        *("mmpose-json", "MMPose, ViTPose, RTMPose", "predictions of the inferencer and demos"),
        ".json",
        "instances with keypoint_scores, or instance_info",
        "a video's list, meta_info with names, one file an image; 2-D alone",
        '[{"frame_id": 0, "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}]}]',
        tested_with="its documentation (MMPose 1.3)",
    ),
    _poses(
        *("mediapipe-json", "MediaPipe", "saved pose landmarks", ".json"),
        "33 landmarks with x and y",
        "fractions of the image, several people; a list of frames or one file a frame",
        '{"frames": [{"landmarks": [{"x": 0.5, "y": 0.2, "z": 0.1, "visibility": 0.9}, ...]}]}',
    ),
    _poses(
        *("ultralytics-json", "Ultralytics", "results.tojson()", ".json"),
        "detections whose keypoints have x, y and visible",
        "pixels or fractions, several people; a list of frames or one file a frame",
        '[{"name": "person", "box": {...}, "keypoints": {"x": [...], "y": [...], "visible": []}}]',
    ),
    _poses(
        *("ultralytics-txt", "Ultralytics", "save_txt", ".txt"),
        "a folder of NAME_12.txt",
        "fractions of the image, several people, frames from 1",
        "0 0.5 0.5 0.2 0.7 0.51 0.22 0.98 ...",
    ),
    _poses(
        *("deeplabcut-csv", "DeepLabCut", "predictions as CSV", ".csv"),
        "the rows scorer, bodyparts, coords",
        "x, y and likelihood by name, one or several individuals",
        "scorer,...  bodyparts,nose,...  coords,x,y,likelihood",
    ),
    _poses(
        *("deeplabcut-h5", "DeepLabCut", "predictions as H5", ".h5"),
        "HDF5 with df_with_missing",
        "as the CSV",
        "NAMEDLC_resnet50_....h5",
    ),
    _poses(
        *("sleap-slp", "SLEAP", "predictions", ".slp"),
        "HDF5 with frames and instances",
        "predicted instances by node name, one video a file",
        "NAME.predictions.slp",
    ),
    _poses(
        *("sleap-h5", "SLEAP", "analysis H5", ".h5"),
        "HDF5 with tracks and node_names",
        "all tracks by node name",
        "tracks (1, 2, 17, 300)",
    ),
    _poses(
        *("sleap-csv", "SLEAP", "analysis CSV", ".csv"),
        "the columns frame_idx and NODE.x",
        "all tracks by node name",
        "track,frame_idx,instance.score,nose.x,nose.y,nose.score,...",
    ),
    _poses(
        *("trc-pixels", "Sports2D", "TRC in pixels", ".trc"),
        "the first word PathFileType; z is 0 and positions are large",
        "markers by name, one file a person",
        "PathFileType\t4\t(X/Y/Z)\tNAME_Sports2D_px_person00.trc",
    ),
    _poses(
        *("kinetics-skeleton", "ST-GCN", "Kinetics-skeleton JSON", ".json"),
        "the key data with skeletons",
        "",
        '{"data": [{"frame_index": 1, "skeleton": [{"pose": [...], "score": [...]}]}]}',
        since="",
        instead="Give it as --motion, or export OpenPose's own JSON (--write_json)",
    ),
    _poses(
        *("annotation", "labelme or Label Studio", "annotations", ".json"),
        "shapes, or tasks with annotations",
        "",
        '{"shapes": [...], "imagePath": "..."}',
        since="",
        instead="Give annotations with --annotations",
    ),
    _poses(
        *("pickle", "Python", "a pickle (.pkl, .pickle)", ".pkl"),
        "the bytes of a pickle",
        "",
        "NAMEDLC_..._meta.pickle",
        since="",
        instead="Export the JSON or CSV of the same tool; pickles can run code when they are read",
    ),
    _poses(
        *("openpose-keypoint", "OpenPose", "YAML or XML of --write_keypoint", ".yml"),
        "OpenCV's storage header",
        "",
        "%YAML:1.0",
        since="",
        instead="Export JSON (OpenPose: --write_json DIR)",
    ),
    _poses(
        *("numpy", "NumPy", "arrays (.npy, .npz)", ".npy"),
        "the bytes of NumPy or zip",
        "",
        "poses.npz",
        since="",
        instead="Save the JSON of the estimator, or give arrays of COCO-17 as --motion",
    ),
    _poses(
        *("c3d", "motion capture", "C3D", ".c3d"),
        "C3D's first bytes",
        "",
        "trial.c3d",
        since="",
        instead="C3D holds markers in 3-D; --tracks needs pixels of the clip's picture",
    ),
    _poses(
        *("bvh", "motion capture", "BVH", ".bvh"),
        "the first word HIERARCHY",
        "",
        "HIERARCHY",
        since="",
        instead="Give it as --motion; --tracks needs pixels of the clip's picture",
    ),
)
