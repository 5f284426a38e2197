"""What a pose is: types, skeletons, geometry, heatmaps and metrics, in numpy and cv2 only."""
