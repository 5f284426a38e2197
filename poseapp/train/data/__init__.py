"""What is learned from: annotations, pictures, samples."""
