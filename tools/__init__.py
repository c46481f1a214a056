"""What keeps the house in order: run by make, never by the product."""
