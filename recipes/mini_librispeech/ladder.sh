#!/usr/bin/env bash
# The same five hours of speech climbed by acoustic models of each generation: same phones, lexicon and language model.
#   ./ladder.sh --data FOLDER [--dictionary DICT] [--vocab LIST] [--work exp/5h]
#               [--rungs "monophone dnn rnn gru lstm bilstm bilstm-conv bilstm-conv-attention"]
# After stages 1 and 2 of ./run.sh --track 5h, whose files it reads; a network takes about half an hour of a shared core.

rungs="monophone dnn rnn gru lstm bilstm bilstm-conv bilstm-conv-attention" work=exp/5h dictionary= vocab=
cd "$(dirname "$0")"; . ../stages.sh
dictionary="${dictionary:-$data/text/lexicon/cmudict.dict}"
vocab="${vocab:-$data/text/lexicon/librispeech-vocab.txt.gz}"

settings() { # of a rung, at 1.6 to 1.9 M parameters each
  case "$1" in
    monophone) ;;
    dnn) echo kind=feedforward conv_channels=0 hidden_size=384 num_layers=6 ;;
    rnn) echo kind=rnn conv_channels=0 bidirectional=false hidden_size=448 num_layers=4 ;;
    gru) echo kind=gru conv_channels=0 bidirectional=false hidden_size=288 num_layers=3 ;;
    lstm) echo kind=lstm conv_channels=0 bidirectional=false hidden_size=248 num_layers=3 ;;
    bilstm) echo kind=lstm conv_channels=0 hidden_size=152 num_layers=3 ;;
    bilstm-conv) echo kind=lstm conv_channels=32 hidden_size=152 num_layers=3 ;;
    bilstm-conv-attention) echo kind=lstm conv_channels=32 hidden_size=136 num_layers=3 attention_heads=4 ;;
    *) echo "$0: unknown rung: $1" >&2; exit 2 ;;
  esac
}

for rung in $rungs; do
  config=ladder tokens=tokens.txt spelled=train-lexicon.txt lexicon=lexicon.txt.gz lm_weight=1.05 word_score=-0.5
  if [ "$rung" = monophone ]; then  # a token is a state, a frame is 10 ms
    config=monophone tokens=states-tokens.txt spelled=train-states.txt lexicon=states.txt
    states="asr tokens lexicon --dictionary $dictionary --states 3"
    $states --words "$work/train.jsonl" --words "$work/dev-full-band.jsonl" --output "$work/$spelled" --tokens "$work/$tokens"
    $states --words "$vocab" --output "$work/$lexicon"
  fi
  set -- --config "conf/$config.toml" --set tokens="$work/$tokens" --set lexicon="$work/$spelled"
  for setting in $(settings "$rung"); do set -- "$@" --set "model.$setting"; done
  # At the others' rate it stays where CTC begins, all blanks.
  if [ "$rung" = rnn ]; then set -- "$@" --set train.peak_lr=0.0004; fi
  asr train "$@" --train "$work/train.jsonl" --dev "$work/dev-full-band.jsonl" --output "$work/ladder/$rung" --resume
  model="$work/ladder/$rung-packed"
  echo "{\"lm_weight\": $lm_weight, \"word_score\": $word_score, \"beam_size\": 400}" > "$work/ladder/$rung.json"
  if [ "$rung" = monophone ]; then cp conf/monophone-search.json "$work/ladder/$rung.json"; fi
  asr checkpoint pack "$work/ladder/$rung" --output "$model" --lexicon "$work/$lexicon" --lm "$work/lm.arpa.gz" \
    --decoding "$work/ladder/$rung.json"
  for name in dev-full-band dev-clean-part; do
    asr decode --model "$model" --manifest "$work/$name.jsonl" --output "$work/ladder/5h-$rung.$name.trn"
    echo "--- $rung, $name"
    asr score "$work/$name.jsonl" "$work/ladder/5h-$rung.$name.trn"
  done
done
