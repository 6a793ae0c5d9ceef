"""Services that run beside a stack: local stand-ins for what it would use elsewhere."""
