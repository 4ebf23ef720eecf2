"""What is measured side by side with other systems; ``make bench`` runs all of it."""
