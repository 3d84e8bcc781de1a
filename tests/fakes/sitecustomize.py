"""Put the stand-ins of fake_stack.py in place when a Python with this folder on its PYTHONPATH starts."""

import sys

import fake_stack

sys.modules.update(fake_stack.modules())
