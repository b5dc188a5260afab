"""The infrastructure as code: one construct an idea, composed by compaction_stack.py."""
