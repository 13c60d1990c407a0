"""A plugin such as a stranger would publish: every hook, and one module that users import."""
