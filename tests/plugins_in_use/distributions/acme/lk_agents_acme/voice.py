"""What users import: it puts the plugin in use."""

VOICE = "acme"
