"""Export of a trained network into a bundle, compared with the network before it is written."""
