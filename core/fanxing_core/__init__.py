"""Native kernels: arrays in, arrays out, nothing of the business."""
