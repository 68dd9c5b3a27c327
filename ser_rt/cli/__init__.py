"""How every command begins and ends: arguments, streams, signals, exit codes."""
