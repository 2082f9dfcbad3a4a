"""What follows the classifier on a tag: the specification of the C in `firmware_templates/tag/`."""
