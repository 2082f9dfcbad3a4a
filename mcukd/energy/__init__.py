"""Energy of a tag's day: charge by contributor, battery life, and what would change them."""
