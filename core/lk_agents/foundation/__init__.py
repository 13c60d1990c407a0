"""What every part may use: errors, types, log, clock, ids, settings. Imports nothing of ours from above."""
