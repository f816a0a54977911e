"""Preparing data, training and evaluating models. Needs torch, lightning, numpy and safetensors; no MIDI, no Qt."""
