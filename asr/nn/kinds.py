"""The kinds of recurrent layers by name; read without torch."""

KINDS = (
    "lstm", "lstm-article", "lstm-peephole", "lstm-coupled", "lstm-layernorm", "lstm-projected",
    "gru", "rnn", "rnn-relu", "esn",
)  # fmt: skip
