"""What is learned: a person in a crop, everybody in a scene, or their boxes."""
