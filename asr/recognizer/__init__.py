"""Audio files to transcripts, with the shipped models or others."""
