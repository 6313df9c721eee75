"""What must survive: each module does harm many times over, and counts what was lost by it."""
