"""What the plugin has preloaded: no user imports it."""
