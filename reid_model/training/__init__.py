"""Training GASM: teachers, targets, augmentation, losses and the loop."""
