"""Knowledge distillation: training of teachers and students fold by fold, with one file per method."""
