"""The parts of the beam search around its compiled core: settings, the lexicon's tree, hotwords, sessions."""
