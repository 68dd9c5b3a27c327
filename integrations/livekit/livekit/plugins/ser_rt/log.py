"""The plugin's logger."""

import logging

logger = logging.getLogger("livekit.plugins.ser_rt")
