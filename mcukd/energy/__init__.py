"""What a day costs a tag: charge and energy by contributor, battery life, and what would change them."""
