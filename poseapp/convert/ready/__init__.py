"""Networks that others publish ready to run, as ONNX graphs: RTMPose and RTMO, as OpenMMLab's MMDeploy writes them."""
