"""Everything of one person goes, but for what a law keeps: asked for, run, proved."""
