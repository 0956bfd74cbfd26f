"""The mathematics and the kernels of the workflow, a package a stage; what several stages share is in modules."""
