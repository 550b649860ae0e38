"""The scripts, by what they are about. Each ends with its connections closed in order."""
