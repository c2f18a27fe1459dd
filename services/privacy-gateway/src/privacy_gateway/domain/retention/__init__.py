"""How long things are kept: rules, clocks, holds, and the sweep that ends what is due."""
