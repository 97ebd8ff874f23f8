#!/usr/bin/env bash
# The same five hours of speech climbed by acoustic models of each generation: same phones, lexicon and language model.
#   ./ladder.sh --data FOLDER [--work exp/5h] [--rungs "dnn rnn gru lstm bilstm bilstm-conv bilstm-conv-attention"]
# After stages 1 and 2 of ./run.sh --track 5h, whose files it reads; each rung takes about an hour on one core.

rungs="dnn rnn gru lstm bilstm bilstm-conv bilstm-conv-attention" work=exp/5h
cd "$(dirname "$0")"; . ../stages.sh

settings() { # of a rung, at about 4.4 M parameters each
  case "$1" in
    dnn) echo kind=feedforward conv_channels=0 hidden_size=640 num_layers=6 ;;
    rnn) echo kind=rnn conv_channels=0 bidirectional=false hidden_size=768 num_layers=4 ;;
    gru) echo kind=gru conv_channels=0 bidirectional=false hidden_size=480 num_layers=3 ;;
    lstm) echo kind=lstm conv_channels=0 bidirectional=false hidden_size=416 num_layers=3 ;;
    bilstm) echo kind=lstm conv_channels=0 hidden_size=256 num_layers=3 ;;
    bilstm-conv) echo kind=lstm conv_channels=32 hidden_size=256 num_layers=3 ;;
    bilstm-conv-attention) echo kind=lstm conv_channels=32 hidden_size=232 num_layers=3 attention_heads=4 ;;
    *) echo "$0: unknown rung: $1" >&2; exit 2 ;;
  esac
}

for rung in $rungs; do
  set -- --config conf/ladder.toml --set tokens="$work/tokens.txt" --set lexicon="$work/train-lexicon.txt"
  for setting in $(settings "$rung"); do set -- "$@" --set "model.$setting"; done
  asr train "$@" --train "$work/train.jsonl" --dev "$work/dev-full-band.jsonl" --output "$work/ladder/$rung" --resume
  for name in dev-full-band dev-clean-part; do
    asr decode --model "$work/ladder/$rung" --manifest "$work/$name.jsonl" --lexicon "$work/lexicon.txt" \
      --lm "$work/lm.arpa.gz" --lm-weight 1.05 --word-score -0.5 --beam-size 400 \
      --output "$work/ladder/5h-$rung.$name.trn"
    echo "--- $rung, $name"
    asr score "$work/$name.jsonl" "$work/ladder/5h-$rung.$name.trn"
  done
done
