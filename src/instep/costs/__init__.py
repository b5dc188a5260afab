"""What it costs: AWS's prices, what was counted, and the month that follows."""
