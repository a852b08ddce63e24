"""The hardware as the cycle model sees it: what each part does, in times instead of signals."""
