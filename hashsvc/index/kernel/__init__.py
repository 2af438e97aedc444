"""The compiled passes: numba functions over vector instructions. Nothing is compiled before it is asked for."""
