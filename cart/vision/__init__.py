"""What the camera's process makes of frames: where the basket changed, which way a thing went, whether the lens sees.

Arithmetic on arrays alone: frames and times come in as arguments, nothing here opens, waits or writes.
"""
