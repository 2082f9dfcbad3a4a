"""The stages of a study, one module each: they read artefacts, call the rooms below and write artefacts."""
