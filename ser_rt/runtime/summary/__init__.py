"""What a whole stream amounts to: its emotion, its shares and its strongest moments."""
