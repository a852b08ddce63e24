"""The serial host link: its frames, its gateware, and a model of that gateware."""
