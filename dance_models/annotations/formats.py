"""The annotation formats that are read, and those that are recognised and not read."""

from typing import Final

from dance_models.formats import Format

_FORM: Final = "its documentation"
_TRACKS: Final = "these are poses of an estimator: give their folder as --tracks"

# The order is that of the tools in the documentation; recognition has its own.
ANNOTATION_FORMATS: Final[tuple[Format, ...]] = (
    Format(
        "coco-keypoints", "COCO", "COCO keypoints 1.0", "annotations", (".json",),
        "`images`, `annotations` and `categories`",
        "keypoints with joint names of their category; ids of either JSON type",
        '{"images": [{"id": 1, "file_name": "solo/000012.jpg"}],'
        ' "categories": [{"id": 1, "keypoints": ["left_knee", ...]}],'
        ' "annotations": [{"image_id": 1, "category_id": 1, "keypoints": [103.5, 88.0, 2, ...]}]}',
        "0.1.0", "COCO 1.0",
    ),
    Format(
        "coco-17", "COCO", "person_keypoints, 17 joints", "annotations", (".json",),
        "a category with nose, eyes and ears",
        "the 12 joints of the limbs; neck and head top are derived",
        '{"categories": [{"keypoints": ["nose", "left_eye", "right_eye", "left_ear", ...]}], ...}',
        "0.2.0", "COCO 2017",
    ),
    Format(
        "posetrack18", "PoseTrack", "PoseTrack18", "annotations", (".json",),
        "COCO whose images have `vid_id`",
        "labelled images; visibility 1 is visible",
        '{"images": [{"vid_id": "000001", "is_labeled": true, ...}], ...}',
        "0.1.0", "PoseTrack18",
    ),
    Format(
        "roboflow-coco", "Roboflow", "COCO keypoints", "annotations", (".json",),
        "COCO with image names in `.rf.` or Roboflow in `info`",
        "as COCO; clip and frame from the name before `.rf.`",
        '{"images": [{"file_name": "solo_000012_jpg.rf.2f1c0d.jpg"}], ...}',
        "0.2.0", "names of 2024",
    ),
    Format(
        "cvat-images", "CVAT", "CVAT for images 1.1", "annotations", (".xml",),
        "XML `<annotations>` with `<image>`",
        "skeletons, and points by label or `group_id`; `occluded` is visibility 1",
        '<image name="solo/000012.jpg"><skeleton label="person">'
        '<points label="left_knee" points="103.5,88.0"/>',
        "0.1.0", "CVAT XML 1.1",
    ),
    Format(
        "cvat-video", "CVAT", "CVAT for video 1.1, skeleton tracks", "annotations", (".xml",),
        "XML `<annotations>` with `<track>` of skeletons",
        "every frame of every track that is not `outside`",
        '<track label="person"><skeleton frame="12"><points label="left_knee" .../>',
        "0.1.0", "CVAT XML 1.1",
    ),
    Format(
        "cvat-point-tracks", "CVAT", "CVAT for video 1.1, point tracks", "annotations", (".xml",),
        "XML `<annotations>` with `<track>` of points",
        "a track a joint; people by `group_id`",
        '<track label="left_knee" group_id="1"><points frame="12" points="103.5,88.0"/>',
        "0.2.0", "CVAT XML 1.1",
    ),
    Format(
        "label-studio-json", "Label Studio", "JSON", "annotations", (".json",),
        "tasks with `data` and `annotations`",
        "key points in percent; people by parent region or relation",
        '[{"data": {"image": "/data/upload/3/1f2e3d4c-solo_000012.jpg"}, "annotations": [{"result":'
        ' [{"type": "keypointlabels", "original_width": 480, "original_height": 360,'
        ' "value": {"x": 21.6, "y": 24.4, "keypointlabels": ["left_knee"]}}]}]}]',
        "0.1.0", "form of 1.12",
    ),
    Format(
        "label-studio-json-min", "Label Studio", "JSON_MIN", "annotations", (".json",),
        "objects with lists of regions that have `keypointlabels`",
        "key points in percent; one person an image",
        '[{"image": "/data/upload/3/1f2e3d4c-solo_000012.jpg", "kp": [{"x": 21.6, "y": 24.4,'
        ' "keypointlabels": ["left_knee"], "original_width": 480, "original_height": 360}]}]',
        "0.2.0", "form of 1.12",
    ),
    Format(
        "label-studio-coco", "Label Studio", "COCO", "annotations", (".json",),
        "COCO with Label Studio in `info`",
        "as COCO",
        '{"info": {"contributor": "Label Studio"}, "images": [{"file_name":'
        ' "../../label-studio/data/media/upload/3/1f2e3d4c-solo_000012.jpg"}], ...}',
        "0.2.0", "form of 1.12",
    ),
    Format(
        "labelme", "labelme, X-AnyLabeling", "JSON, one file an image", "annotations", (".json",),
        "`shapes` and `imagePath`",
        "points by label; people by `group_id`; the flags `occluded` and `difficult` are visibility"
        " 1",
        '{"imagePath": "000012.jpg", "shapes": [{"label": "left_knee", "shape_type": "point",'
        ' "points": [[103.5, 88.0]], "group_id": 1}]}',
        "0.1.0", "form of 5.0 and 3.x",
    ),
    Format(
        "ultralytics-pose", "Ultralytics, Roboflow, CVAT", "YOLO pose", "annotations", (".txt",),
        "lines of a class, a box and key points; `kpt_shape` in the YAML above",
        "points in fractions of the image; joint names from `kpt_names`, else COCO's 17",
        "0 0.50 0.50 0.20 0.70 0.4812 0.2310 2 0.4931 0.2214 1 ...",
        "0.2.0", "form of 8.x",
    ),
    Format(
        "deeplabcut-csv", "DeepLabCut", "CollectedData CSV", "annotations", (".csv",),
        "header rows `scorer`, `bodyparts`, `coords` without likelihood",
        "a row an image, its path in one cell or in three",
        "scorer,Me,Me\nbodyparts,left_knee,left_knee\ncoords,x,y\n"
        "labeled-data/solo/img012.png,103.5,88.0",
        "0.2.0", "pandas 3.1",
    ),
    Format(
        "deeplabcut-multi-csv", "DeepLabCut", "CollectedData CSV, several animals", "annotations",
        (".csv",),
        "the same with a header row `individuals`",
        "every individual as a person",
        "scorer,Me,Me\nindividuals,a,a\nbodyparts,left_knee,left_knee\ncoords,x,y\n"
        "labeled-data,solo,img012.png,103.5,88.0",
        "0.2.0", "pandas 3.1",
    ),
    Format(
        "deeplabcut-h5", "DeepLabCut", "CollectedData H5", "annotations", (".h5",),
        "HDF5 with a pandas table of x and y",
        "as the CSV; where that lies beside it, the CSV is read",
        "df_with_missing: CollectedData_Me.h5",
        "0.2.0", "pandas 3.1, tables 3.11",
    ),
    Format(
        "sleap", "SLEAP", "project or package (.slp)", "annotations", (".slp",),
        "HDF5 with `frames`, `instances` and `points`",
        "labelled people of every video; predicted ones are counted",
        "labels.v001.slp",
        "0.2.0", "sleap-io 0.9.5",
    ),
    Format(
        "label-studio-csv", "Label Studio", "CSV or TSV", "annotations", (".csv", ".tsv"),
        "a table with `keypointlabels` in its cells",
        "nothing", 'id,image,kp\n1,solo.jpg,"[{""keypointlabels"": ...}]"', "", _FORM,
        "export JSON",
    ),
    Format(
        "yolo-boxes", "YOLO", "boxes", "annotations", (".txt",),
        "lines of a class and a box", "nothing", "0 0.50 0.50 0.20 0.70", "", _FORM,
        "it has boxes and no joints: export key points (YOLO pose or COCO keypoints)",
    ),
    Format(
        "via", "VGG Image Annotator", "VIA project or JSON", "annotations", (".json",),
        "`_via_img_metadata`, or `regions` by file",
        "nothing", '{"_via_img_metadata": {...}}', "", _FORM,
        "convert it to COCO keypoints: VIA's points carry no joint names of their own",
    ),
    Format(
        "supervisely", "Supervisely", "Supervisely JSON", "annotations", (".json",),
        "`objects` and `size`", "nothing", '{"size": {...}, "objects": [{"geometryType": ...}]}',
        "", _FORM, "export it as COCO keypoints",
    ),
    Format(
        "darwin", "V7", "Darwin JSON", "annotations", (".json",),
        "`item` and `annotations`", "nothing",
        '{"version": "2.0", "item": {...}, "annotations": [...]}', "", _FORM,
        "export it as COCO",
    ),
    Format(
        "encord", "Encord", "Encord JSON", "annotations", (".json",),
        "`label_hash` and `data_units`", "nothing", '[{"label_hash": ..., "data_units": {...}}]',
        "", _FORM, "export it as COCO",
    ),
    Format(
        "labelbox", "Labelbox", "NDJSON or JSON", "annotations", (".ndjson", ".json"),
        "`data_row`", "nothing", '{"data_row": {...}, "projects": {...}}', "", _FORM,
        "convert it to COCO keypoints",
    ),
    Format(
        "datumaro", "Datumaro", "Datumaro 1.0", "annotations", (".json",),
        "`categories` as an object and `items`", "nothing",
        '{"categories": {"points": ...}, "items": [...]}', "", _FORM,
        "export it as COCO keypoints or CVAT XML",
    ),
    Format(
        "fiftyone", "FiftyOne", "FiftyOneDataset", "annotations", (".json",),
        "`samples` with `filepath`", "nothing", '{"samples": [{"filepath": ...}]}', "", _FORM,
        "export it as COCO keypoints",
    ),
    Format(
        "pascal-voc", "Pascal VOC", "VOC XML", "annotations", (".xml",),
        "XML `<annotation>` with `<object>`", "nothing", "<annotation><object><bndbox>", "", _FORM,
        "it has boxes and no joints: export COCO keypoints or CVAT XML",
    ),
    Format(
        "kinovea", "Kinovea", "Kinovea analysis", "annotations", (".kva",),
        "XML `<KinoveaVideoAnalysis>`", "nothing", "<KinoveaVideoAnalysis>", "", _FORM,
        "its points carry no joint names: annotate in CVAT, or convert it to COCO keypoints",
    ),
    Format(
        "matlab", "MATLAB", "MAT, such as MPII's annotations", "annotations", (".mat",),
        "its first bytes", "nothing", "MATLAB 5.0 MAT-file", "", _FORM,
        "convert it to COCO keypoints",
    ),
    Format(
        "nwb", "NWB", "NWB with poses", "annotations", (".nwb",),
        "HDF5 with `nwb_version`", "nothing", "session.nwb", "", _FORM,
        "export it as .slp with sleap-io, or as COCO keypoints",
    ),
    Format(
        "c3d", "C3D", "C3D motion capture", "annotations", (".c3d",),
        "its second byte and its name", "nothing", "trial.c3d", "", _FORM,
        "it has markers in space: project them into the picture and give COCO keypoints",
    ),
    Format(
        "trc", "OpenSim", "TRC markers", "annotations", (".trc",),
        "`PathFileType` in the first line", "nothing", "PathFileType 4 (X/Y/Z)", "", _FORM,
        _TRACKS,
    ),
    Format(
        "openpose", "OpenPose", "keypoint JSON", "annotations", (".json",),
        "`people` with `pose_keypoints_2d`", "nothing",
        '{"people": [{"pose_keypoints_2d": [...]}]}',
        "", _FORM, _TRACKS,
    ),
    Format(
        "coco-results", "AlphaPose, COCO evaluation", "results JSON", "annotations", (".json",),
        "a list with `image_id`, `keypoints` and `score`", "nothing",
        '[{"image_id": "0.jpg", "keypoints": [...], "score": 2.9}]', "", _FORM, _TRACKS,
    ),
    Format(
        "mmpose", "MMPose", "predictions JSON", "annotations", (".json",),
        "`instances` or `instance_info` by frame", "nothing",
        '[{"frame_id": 0, "instances": [{"keypoints": ...}]}]', "", _FORM, _TRACKS,
    ),
    Format(
        "ultralytics-results", "Ultralytics", "results JSON", "annotations", (".json",),
        "`box`, `confidence` and `keypoints`", "nothing",
        '[{"name": "person", "confidence": 0.9, "box": {...}, "keypoints": {"x": [...], ...}}]',
        "", _FORM, _TRACKS,
    ),
    Format(
        "mediapipe", "MediaPipe", "landmark JSON", "annotations", (".json",),
        "landmarks with `x`, `y`, `z` and `visibility`", "nothing",
        '[{"landmarks": [{"x": 0.5, "y": 0.2, "z": 0.1, "visibility": 0.9}]}]', "", _FORM, _TRACKS,
    ),
    Format(
        "deeplabcut-predictions", "DeepLabCut", "predictions", "annotations", (".csv", ".h5"),
        "the table with likelihood", "nothing", "coords,x,y,likelihood", "", _FORM, _TRACKS,
    ),
    Format(
        "sleap-analysis", "SLEAP", "analysis HDF5", "annotations", (".h5",),
        "HDF5 with `tracks` and `node_names`", "nothing", "labels.analysis.h5", "", _FORM,
        "these are predicted tracks: give the .slp project with the labelled frames, or give them "
        "as --tracks",
    ),
)  # fmt: skip
