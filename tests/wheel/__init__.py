"""What somebody gets who installs the wheel, and has no checkout."""
