"""The frame of every command: argument types, standard streams, signals, exit codes."""
