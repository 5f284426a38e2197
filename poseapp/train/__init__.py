"""From labelled pictures to a trained network: data, augmentation, targets, losses, the loop."""
