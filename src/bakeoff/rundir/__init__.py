"""The run folder: what a training leaves behind, who may write to it, and how others read it."""
