"""Networks that can be teachers and students: how each is built, sized and trained by default."""
