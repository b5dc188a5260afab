"""What the Chroma collections should carry for the receipts of the table."""
