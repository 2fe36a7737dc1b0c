"""DerivaML's own tables: one description that serves both generations, made new or added to what is there."""
